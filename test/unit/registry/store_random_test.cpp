#include "test/unit/registry/store_fixture.hpp"

#include <cerrno>
#include <cstdlib>
#include <random>

#include "registry/store/store_files.hpp"
#include "test/fuzz/fuzz_journal_entry.hpp"

using namespace pm;
using namespace pm::test;

namespace {

uint64_t seed_of_this_run() {
  auto* given = std::getenv("PM_SEED");
  return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

struct random_fixture : store_fixture {
  random_fixture() { BOOST_TEST_MESSAGE("replay with PM_SEED=" << seed); }

  size_t below(size_t limit) { return chance() % limit; }

  // What a bad disk, a bad program or a bad person makes of a file.
  void spoil(std::string& bytes) {
    for (auto times = 1 + below(3); times > 0; --times) {
      auto at = below(bytes.size() + 1);
      auto size = below(40);
      switch (below(5)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.erase(at, size);
        break;
      case 2:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), size));
        break;
      case 3:
        bytes.insert(at, size, static_cast<char>(chance()));
        break;
      default:
        if (at < bytes.size())
          bytes[at] = static_cast<char>(chance());
      }
    }
  }

  // The number of the first change that the report says is missing.
  std::optional<uint64_t> first_lost() const {
    std::optional<uint64_t> first;
    for (auto& line : report.lines) {
      uint64_t number = 0;
      auto at = line.find(": change");
      if (at == line.npos || line.find(" lost") == line.npos)
        continue;
      at = line.find(' ', at + 2);
      number = std::strtoull(line.c_str() + at, nullptr, 10);
      first = std::min(first.value_or(number), number);
    }
    return first;
  }

  void change_something(registry_store& store) {
    auto id = "p" + std::to_string(below(6));
    switch (below(8)) {
    case 0:
      put(store, removal{id});
      break;
    case 1:
    case 2:
      put(store, definition_of(id), state_of(id, static_cast<int>(below(9))));
      break;
    case 3:
      put(store, node_mark{below(2) == 0, "boot", id});
      break;
    case 4:
      compact(store);
      break;
    default:
      put(store, state_of(id, static_cast<int>(below(9))));
    }
    if (below(3) == 0)
      sync(store);
  }

  uint64_t seed = seed_of_this_run();
  std::mt19937_64 chance{seed};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(random_registries, random_fixture)

BOOST_AUTO_TEST_CASE(any_history_comes_back_as_it_was) {
  for (int round = 0; round < 40; ++round) {
    disk = std::make_shared<faulty_storage>();
    auto store = open();
    for (auto changes = below(60); changes > 0; --changes)
      change_something(store);
    auto after = open(disk->after_crash(false));
    BOOST_TEST_CONTEXT("replay with PM_SEED=" << seed) {
      BOOST_REQUIRE(after.records() == store.records());
      BOOST_REQUIRE(after.last_mark() == store.last_mark());
      BOOST_REQUIRE(after.sequence() == store.sequence());
      BOOST_REQUIRE(report.lines.empty());
    }
  }
}

// What comes back is the state after some change that is not older than the
// last acknowledged one; or the report says which newer changes are missing.
BOOST_AUTO_TEST_CASE(any_faults_and_power_cuts_keep_what_was_acknowledged) {
  for (int round = 0; round < 300; ++round) {
    disk = std::make_shared<faulty_storage>();
    auto store = open();
    uint64_t acknowledged = 0;
    std::map<uint64_t, record_map> states;
    states[0] = {};
    for (auto changes = below(30); changes > 0; --changes) {
      if (below(4) == 0)
        disk->fail_steps(disk->steps() + 1 + below(6), 1 + below(4), EIO);
      change_something(store);
      states[store.sequence()] = store.records();
      if (store.wants_compaction())
        compact(store);
      if (below(2) == 0 && sync(store))
        acknowledged = store.sequence();
    }
    auto after = open(disk->after_power_cut(chance()));
    BOOST_TEST_CONTEXT("replay with PM_SEED=" << seed << ", round " << round) {
      BOOST_REQUIRE(after.sequence() >= acknowledged);
      if (auto lost = first_lost())
        BOOST_REQUIRE(*lost > acknowledged);
      else
        BOOST_REQUIRE(after.records() == states.at(after.sequence()));
    }
  }
}

BOOST_AUTO_TEST_CASE(spoiled_files_never_crash_and_never_pass_in_silence) {
  auto store = open();
  for (int i = 0; i < 30; ++i)
    change_something(store);
  auto journal = disk->bytes(files::journal);
  auto snapshot = disk->bytes(files::snapshot);
  for (int round = 0; round < 2'000; ++round) {
    auto spoiled = std::string(1, static_cast<char>(chance())) + journal;
    spoil(spoiled);
    recover_journal(spoiled);
    spoiled = snapshot;
    spoil(spoiled);
    recover_snapshot(spoiled);
  }
  for (int round = 0; round < 200; ++round) {
    auto other = disk->after_crash(false);
    spoil(other->bytes(below(2) == 0 ? files::journal : files::snapshot));
    auto after = registry_store::open(other, report);
    BOOST_TEST_CONTEXT("replay with PM_SEED=" << seed)
    BOOST_REQUIRE((!after || !report.lines.empty()
                   || after->records() == store.records()
                   || after->sequence() < store.sequence()));
  }
}

BOOST_AUTO_TEST_SUITE_END()
