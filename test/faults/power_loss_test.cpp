#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <random>
#include <set>

#include <fmt/ranges.h>

#include "test/faults/fault_script.hpp"
#include "test/support/faulty_storage.hpp"

// A machine whose power fails: what was not synced is there, or is not, or is
// there in part and in another order.

using namespace pm;
using namespace pm::test;

namespace {

constexpr size_t rounds_usual = 250;
constexpr size_t cuts_per_round = 4;
constexpr size_t calls_max = 320; // the script makes about as many

struct power_fixture {
  // Plays the script with syncs and compactions by `chance`, up to some call;
  // gives the number of the last change that was acknowledged.
  uint64_t play(std::mt19937_64& chance) {
    disk = std::make_shared<faulty_storage>();
    disk->stop_the_world_at(1 + chance() % calls_max);
    auto store = registry_store::open(disk, report);
    if (!store)
      return 0;
    script_player player{*store, std::launch::deferred};
    auto syncing = false;
    auto compacting = false;
    for (auto& group : fault_script()) {
      if (!syncing && chance() % 3 == 0) {
        player.begin_sync();
        syncing = true;
      }
      if (!compacting && chance() % 20 == 0) {
        player.begin_compaction();
        compacting = true;
      }
      if (!store->write(group))
        break;
      if (syncing && chance() % 2 == 0) {
        syncing = false;
        if (!player.end_sync())
          break;
      }
      if (compacting && chance() % 4 == 0) {
        compacting = false;
        if (!player.end_compaction())
          break;
      }
    }
    return player.acknowledged();
  }

  // The changes that the last report says are lost.
  std::set<uint64_t> lost() const {
    std::set<uint64_t> result;
    for (auto& line : report.lines) {
      auto at = line.find(": change");
      if (at == line.npos || line.find(" lost") == line.npos)
        continue;
      char* end = nullptr;
      auto first =
        std::strtoull(line.c_str() + line.find(' ', at + 2), &end, 10);
      auto last = first;
      if (std::string_view{end}.starts_with(" to "))
        last = std::strtoull(end + 4, nullptr, 10);
      for (; first <= last; ++first)
        result.insert(first);
    }
    return result;
  }

  // Nothing acknowledged is missing, every group is there or not, and what is
  // missing before the end is reported.
  void check(const std::shared_ptr<faulty_storage>& left,
             uint64_t acknowledged) {
    auto store = registry_store::open(left, report);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    auto sequence = store->sequence();
    BOOST_REQUIRE_GE(sequence, acknowledged);
    BOOST_REQUIRE(group_ending_at(sequence).has_value());
    auto missing = lost();
    BOOST_REQUIRE((missing.empty() || *missing.begin() > acknowledged));
    gaps += missing.empty() ? 0u : 1u;
    auto is_there = [&](size_t group) {
      auto last = group_ends().at(group);
      auto size = fault_script().at(group).size();
      size_t absent = 0;
      for (auto i = last - size + 1; i <= last; ++i)
        absent += i > sequence || missing.contains(i) ? 1u : 0u;
      BOOST_REQUIRE_MESSAGE((absent == 0 || absent == size),
                            fmt::format("group {} of {} changes up to {}: {}",
                                        group, size, last,
                                        fmt::join(report.lines, "; ")));
      return absent == 0;
    };
    BOOST_REQUIRE((view_of(*store) == outcome_of(is_there)));
    auto again = registry_store::open(left->after_crash(true), report);
    BOOST_REQUIRE_MESSAGE(again, again.error().text);
    BOOST_REQUIRE((view_of(*again) == view_of(*store)));
    BOOST_REQUIRE(again->sequence() == sequence);
    BOOST_REQUIRE(report.lines.empty());
  }

  std::shared_ptr<faulty_storage> disk;
  open_report report; // of the last open
  size_t gaps = 0;    // states in which changes before the end were missing
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_power_cut, power_fixture)

BOOST_AUTO_TEST_CASE(it_loses_nothing_acknowledged_and_halves_no_group) {
  auto seed = run_seed();
  auto rounds = run_rounds(rounds_usual);
  for (size_t i = 0; i < rounds; ++i) {
    std::mt19937_64 chance{seed + i};
    auto acknowledged = play(chance);
    for (size_t cut = 0; cut < cuts_per_round; ++cut)
      BOOST_TEST_CONTEXT("replay with PM_SEED="
                         << seed + i << " PM_ROUNDS=1: stopped at call "
                         << disk->steps() << ", " << disk->last_call()
                         << "; cut " << cut << ", change " << acknowledged
                         << " was acknowledged")
    check(disk->after_power_cut(chance()), acknowledged);
  }
  BOOST_TEST_MESSAGE(rounds * cuts_per_round
                     << " states from PM_SEED=" << seed << ", in " << gaps
                     << " of them a later write had overtaken another");
}

BOOST_AUTO_TEST_SUITE_END()
