#include <boost/test/unit_test.hpp>

#include "registry/store/journal_frame.hpp"
#include "test/faults/fault_script.hpp"
#include "test/support/faulty_storage.hpp"

// Every byte and bit of a small registry, damaged in turn: it opens, nothing
// is taken for true that was never written, and no damage passes in silence.

using namespace pm;
using namespace pm::test;

namespace {

constexpr const char* snapshot_name = "processes.json";
constexpr const char* journal_name = "processes.journal";
constexpr size_t groups_in_snapshot = 3;
constexpr size_t groups_in_all = 8;

struct damage_fixture {
  damage_fixture() {
    auto store = registry_store::open(disk, report).value();
    for (size_t i = 0; i < groups_in_all; ++i) {
      (void)store.write(fault_script()[i]).value();
      store.sync_done(store.sync_job()());
      if (i + 1 == groups_in_snapshot)
        store.compaction_done(store.compaction_job()());
    }
    whole = view_of(store);
  }

  // Opens the registry with other bytes in the place of a file, and again.
  registry_view open_with(const std::string& name, const std::string& bytes) {
    auto damaged = disk->after_crash(true);
    damaged->bytes(name) = bytes;
    auto store = registry_store::open(damaged, report);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    auto result = view_of(*store);
    sequence = store->sequence();
    for (auto& kept : report.kept_aside)
      BOOST_REQUIRE((kept.starts_with(name + ".corrupt-")
                     && damaged->bytes(kept) == bytes));
    auto first = report;
    auto again = registry_store::open(damaged->after_crash(true), report);
    BOOST_REQUIRE(again.has_value());
    BOOST_REQUIRE((view_of(*again) == result));
    BOOST_REQUIRE(report.lines.empty());
    report = first;
    return result;
  }

  std::shared_ptr<faulty_storage> disk = std::make_shared<faulty_storage>();
  open_report report;    // of the last open that met damage
  uint64_t sequence = 0; // what was found then
  registry_view whole;
};

std::string flipped(std::string bytes, size_t at, int bit) {
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
  return bytes;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_damage_sweep, damage_fixture)

BOOST_AUTO_TEST_CASE(a_snapshot_with_any_bit_flipped_loses_nothing) {
  auto bytes = disk->bytes(snapshot_name);
  for (size_t at = 0; at < bytes.size(); ++at)
    BOOST_TEST_CONTEXT("byte " << at) {
      BOOST_REQUIRE(
        (open_with(snapshot_name, flipped(bytes, at, static_cast<int>(at % 8)))
         == whole));
      BOOST_REQUIRE(report.kept_aside.size() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(a_snapshot_cut_at_any_byte_loses_nothing) {
  auto bytes = disk->bytes(snapshot_name);
  for (size_t size = 0; size < bytes.size(); ++size)
    BOOST_TEST_CONTEXT("cut to " << size) {
      BOOST_REQUIRE((open_with(snapshot_name, bytes.substr(0, size)) == whole));
      BOOST_REQUIRE(report.kept_aside.size() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(a_journal_cut_at_any_byte_gives_whole_groups) {
  auto bytes = disk->bytes(journal_name);
  auto last = static_cast<int>(groups_in_snapshot);
  for (size_t size = 0; size <= bytes.size(); ++size)
    BOOST_TEST_CONTEXT("cut to " << size) {
      auto left = open_with(journal_name, bytes.substr(0, size));
      auto ending = group_ending_at(sequence);
      BOOST_REQUIRE(ending.has_value());
      auto groups = *ending + 1;
      BOOST_REQUIRE_GE(groups, last);
      BOOST_REQUIRE_LE(groups, last + 1);
      BOOST_REQUIRE((left == group_outcomes()[static_cast<size_t>(*ending)]));
      BOOST_REQUIRE(report.kept_aside.empty());
      last = groups;
    }
  BOOST_TEST(last == static_cast<int>(groups_in_all));
}

BOOST_AUTO_TEST_CASE(a_journal_with_any_bit_flipped_never_passes_in_silence) {
  auto bytes = disk->bytes(journal_name);
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit)
      BOOST_TEST_CONTEXT("byte " << at << " bit " << bit) {
        (void)open_with(journal_name, flipped(bytes, at, bit));
        BOOST_REQUIRE(!report.lines.empty());
        auto tail = report.bytes_cut > 0;
        BOOST_REQUIRE(report.kept_aside.size() + (tail ? 1u : 0u) == 1u);
      }
}

BOOST_AUTO_TEST_CASE(any_length_of_zeros_or_garbage_behind_it_is_a_tail) {
  auto bytes = disk->bytes(journal_name);
  for (size_t size = 1; size < 9'000; size += 1 + size / 7)
    for (auto fill : {'\0', '\xff', '{', 'p'}) {
      BOOST_REQUIRE(
        (open_with(journal_name, bytes + std::string(size, fill)) == whole));
      BOOST_REQUIRE(report.bytes_cut == size);
      BOOST_REQUIRE(report.kept_aside.empty());
    }
}

BOOST_AUTO_TEST_CASE(only_the_newest_damaged_files_of_each_name_are_kept) {
  // As the clock of this disk stands still, a number tells them apart.
  auto kept = [&](const std::string& base) {
    std::vector<std::string> names;
    auto all = disk->list().value();
    for (auto& name : all)
      if (name.starts_with(base + ".corrupt-"))
        names.push_back(name);
    return names;
  };
  disk->bytes("processes.journal.corrupt-20200101T000000.000Z") = "old";
  for (int i = 1; i <= 12; ++i) {
    auto& bytes = disk->bytes(journal_name);
    bytes[40] = static_cast<char>(bytes[40] ^ 1);
    auto store = registry_store::open(disk, report).value();
    BOOST_REQUIRE(report.kept_aside.size() == 1u);
    BOOST_REQUIRE(disk->has(report.kept_aside[0]));
    (void)store.write(fault_script()[0]).value();
    (void)store.write(fault_script()[1]).value();
  }
  BOOST_TEST(kept(journal_name).size() == 8u);
  BOOST_TEST(!disk->has("processes.journal.corrupt-20200101T000000.000Z"));
  BOOST_TEST(disk->has(report.kept_aside[0]));
  BOOST_TEST(kept(snapshot_name).empty());
  // Of numbered journals each has a name of its own.
  for (int i = 10; i < 30; ++i)
    disk->bytes("processes.journal.next." + std::to_string(i)
                + ".corrupt-20200101T0000" + std::to_string(i) + ".000Z");
  (void)registry_store::open(disk, report).value();
  size_t left = 0;
  auto all = disk->list().value();
  for (auto& name : all)
    left += name.starts_with("processes.journal.next.") ? 1u : 0u;
  BOOST_TEST(left == 8u);
  BOOST_TEST(
    disk->has("processes.journal.next.29.corrupt-20200101T000029.000Z"));
}

BOOST_AUTO_TEST_CASE(payloads_that_no_program_wrote_are_reported) {
  auto bytes = disk->bytes(journal_name);
  auto last = group_ends()[groups_in_all - 1];
  for (auto& payload :
       {std::string(10'000, '['), std::string(10'000, '{'),
        std::string{"{\"handle_id\": \"\xc3\x28\"}"}, std::string{"NaN"},
        std::string{R"({"handle_id": NaN})"}, std::string{}})
    for (uint8_t type = 0; type < 5; ++type) {
      auto odd = bytes;
      append_frame(odd, {last + 1, type, false, payload, 0});
      append_frame(odd, {last + 2, 3, false, R"({"handle_id": "-"})", 0});
      auto left = open_with(journal_name, odd);
      BOOST_REQUIRE((left.records == whole.records));
      BOOST_REQUIRE(report.kept_aside.size() == 1u || payload.empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()
