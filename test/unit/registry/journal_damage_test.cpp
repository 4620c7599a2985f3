#include "test/unit/registry/store_fixture.hpp"

#include <fstream>
#include <sstream>

#include "registry/store/change_codec.hpp"
#include "registry/store/journal_frame.hpp"
#include "registry/store/store_files.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// A closed registry of five processes in the journal alone, one group each,
// durable but for the last one.
struct journal_fixture : store_fixture {
  journal_fixture() {
    auto store = open();
    for (int i = 0; i < 5; ++i) {
      auto id = "p" + std::to_string(i);
      (void)sync(store);
      begins.push_back(disk->bytes(files::journal).size());
      put(store, definition_of(id), state_of(id, i + 1));
    }
    whole = disk->bytes(files::journal);
  }

  std::shared_ptr<faulty_storage> with_journal(const std::string& bytes) {
    auto other = disk->after_crash(false);
    other->bytes(files::journal) = bytes;
    return other;
  }

  std::string whole;
  std::vector<size_t> begins; // of the groups
};

std::string frame_of(uint64_t sequence, const change& x) {
  auto payload = encode_change(x).value();
  std::string bytes;
  append_frame(bytes, {sequence, record_type(x), false, payload, 0});
  return bytes;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(journal_damage, journal_fixture)

BOOST_AUTO_TEST_CASE(crc32c_is_the_one_of_the_standard) {
  BOOST_TEST(crc32c("123456789") == 0xE3069283u);
  BOOST_TEST(crc32c("") == 0u);
  BOOST_TEST(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
}

// The lines of the format document that begin with an offset.
BOOST_AUTO_TEST_CASE(the_example_of_the_format_document_holds) {
  std::ifstream document{PM_SOURCE_DIR "/registry/format.md"};
  std::string bytes;
  for (std::string line; std::getline(document, line);) {
    if (!line.starts_with("    000000"))
      continue;
    std::istringstream digits{line.substr(14, 49)};
    for (std::string byte; digits >> byte;)
      bytes += static_cast<char>(std::stoi(byte, nullptr, 16));
  }
  BOOST_TEST(
    (bytes == encode_journal_header({2, 6}) + frame_of(7, removal{"web"})));
}

BOOST_AUTO_TEST_CASE(a_journal_cut_at_any_byte_gives_whole_groups) {
  for (size_t size = 0; size <= whole.size(); ++size)
    BOOST_TEST_CONTEXT("cut to " << size) {
      auto cut = with_journal(whole.substr(0, size));
      auto store = open(cut);
      size_t wanted = 0;
      while (wanted < 5
             && size >= (wanted < 4 ? begins[wanted + 1] : whole.size()))
        ++wanted;
      BOOST_REQUIRE(store.records().size() == wanted);
      for (auto& [id, record] : store.records())
        BOOST_REQUIRE(record->state.restart_count
                      == std::stoi(id.substr(1)) + 1);
      BOOST_REQUIRE(report.kept_aside.empty());
      auto clean =
        size == whole.size() || size == 0
        || std::find(begins.begin(), begins.end(), size) != begins.end();
      BOOST_REQUIRE(report.lines.empty() == clean);
      BOOST_REQUIRE((report.bytes_cut == 0) == clean);
    }
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_costs_one_record_and_is_reported) {
  auto last_frame = whole.size();
  for (size_t at = begins[4]; at < whole.size();
       at += decode_frame(std::string_view{whole}.substr(at))->size)
    last_frame = at;
  for (size_t at = 0; at < whole.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      // All bits of the first frames' bytes, one of each byte behind them.
      if (at >= begins[0] + 100 && static_cast<size_t>(bit) != at % 8)
        continue;
      BOOST_TEST_CONTEXT("byte " << at << " bit " << bit) {
        auto bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        auto damaged = with_journal(bytes);
        auto store = open(damaged);
        BOOST_REQUIRE(!report.lines.empty());
        BOOST_REQUIRE(report.records_replayed >= (at < journal_header_size ? 10u
                                                  : at < begins[4]         ? 9u
                                                                   : 8u));
        if (at < last_frame) {
          BOOST_REQUIRE(report.kept_aside.size() == 1u);
          BOOST_REQUIRE(damaged->bytes(report.kept_aside[0]) == bytes);
        } else {
          // The group of a damaged last record cannot be told from one that
          // was never whole.
          BOOST_REQUIRE(report.bytes_cut > 0);
          BOOST_REQUIRE(store.records().size() == 4u);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(damage_is_reported_once_and_says_what_is_lost) {
  auto bytes = whole;
  bytes[begins[1] + 30] ^= 1;
  auto damaged = with_journal(bytes);
  auto store = open(damaged);
  BOOST_TEST(store.records().size() == 4u);
  BOOST_TEST(!store.records().contains("p1"));
  BOOST_TEST(reported("change 3 is lost"));
  BOOST_TEST(reported("bytes at " + std::to_string(begins[1])));
  BOOST_TEST(reported("is kept as processes.journal.corrupt-"
                      "20261122T123456.789Z"));
  open(damaged->after_crash(false));
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(what_is_left_of_a_damaged_group_is_used) {
  auto bytes = whole;
  auto first = decode_frame(std::string_view{bytes}.substr(begins[1]))->size;
  bytes[begins[1] + first + 25] ^= 1; // the state of p1
  auto store = open(with_journal(bytes));
  BOOST_TEST(store.records().size() == 5u);
  BOOST_TEST(store.records().at("p1")->state.restart_count == 0);
}

// The power failed, and the end of the last group was on disk before its
// begin; or before the end of the group in front of it.
BOOST_AUTO_TEST_CASE(a_group_that_may_never_have_been_whole_is_left_out) {
  auto bytes = whole;
  bytes[begins[4] + 25] ^= 1;
  auto store = open(with_journal(bytes));
  BOOST_TEST(store.records().size() == 4u);
  BOOST_TEST(store.sequence() == 8u);
  BOOST_TEST(reported("change 10 is of a group that is not whole"));
  BOOST_TEST(report.kept_aside.size() == 1u);

  bytes = whole;
  auto first = decode_frame(std::string_view{bytes}.substr(begins[4]))->size;
  bytes[begins[4] + first + 25] ^= 1;
  std::string behind;
  append_frame(behind, {11, 3, false, R"({"handle_id": "p0"})", 0});
  store = open(with_journal(bytes + behind));
  BOOST_TEST(store.records().size() == 3u, "p4 is left out, p0 forgotten");
  BOOST_TEST(reported("change 9 is of a group that is not whole"));
  BOOST_TEST(reported("changes 9 to 10 are lost"));
}

BOOST_AUTO_TEST_CASE(zeros_and_garbage_at_the_end_are_cut) {
  std::string garbage;
  for (int i = 0; i < 5000; ++i)
    garbage += static_cast<char>(i * 7919 >> 3);
  for (auto& tail : {std::string(4096, '\0'), garbage,
                     std::string("\xff\xff\xff\xff", 4) + garbage,
                     whole.substr(begins[4], 50)}) {
    auto store = open(with_journal(whole + tail));
    BOOST_TEST(store.records().size() == 5u);
    BOOST_TEST(report.bytes_cut == tail.size());
    BOOST_TEST(report.kept_aside.empty());
    BOOST_TEST(store.sequence() == 10u);
  }
}

BOOST_AUTO_TEST_CASE(a_length_of_four_gigabytes_is_only_damage) {
  auto bytes = whole;
  for (int i = 0; i < 4; ++i)
    bytes[begins[2] + static_cast<size_t>(i)] = '\xff';
  auto store = open(with_journal(bytes));
  BOOST_TEST(store.records().size() == 4u);
  BOOST_TEST(report.kept_aside.size() == 1u);
}

BOOST_AUTO_TEST_CASE(records_that_stand_twice_count_once) {
  auto group = whole.substr(begins[1], begins[2] - begins[1]);
  auto twice = whole.substr(0, begins[2]) + frame_of(5, removal{"p1"}) + group
               + whole.substr(begins[2]);
  auto store = open(with_journal(twice));
  // The first one numbered 5 counts, and p2 was defined by the second.
  BOOST_TEST(store.records().size() == 3u);
  BOOST_TEST(!store.records().contains("p1"));
  BOOST_TEST(!store.records().contains("p2"));
  BOOST_TEST(store.sequence() == 10u);
}

BOOST_AUTO_TEST_CASE(a_whole_journal_that_stands_twice_changes_nothing) {
  auto store = open();
  put(store, removal{"p0"});
  auto twice = disk->after_crash(false);
  twice->bytes("processes.journal.next.77") = twice->bytes(files::journal);
  auto after = open(twice);
  BOOST_TEST(after.records() == store.records());
}

BOOST_AUTO_TEST_CASE(missing_records_are_reported) {
  auto store =
    open(with_journal(whole.substr(0, begins[1]) + whole.substr(begins[3])));
  BOOST_TEST(store.records().size() == 3u);
  BOOST_TEST(reported("changes 3 to 6 are lost"));
  BOOST_TEST(report.kept_aside.size() == 1u);
}

BOOST_AUTO_TEST_CASE(records_that_make_no_sense_are_reported_and_passed_over) {
  std::string odd;
  append_frame(odd, {11, 9, false, "{}", 0});
  append_frame(odd, {12, 1, false, "not json", 0});
  append_frame(odd, {13, 1, false, R"({"handle_id": 5})", 0});
  append_frame(odd, {14, 3, false, std::string(10'000, '['), 0});
  append_frame(odd, {15, 3, false, "{\"handle_id\": \"\xff\"}", 0});
  auto store =
    open(with_journal(whole + odd + frame_of(16, definition_of("last"))));
  BOOST_TEST(store.records().size() == 6u);
  BOOST_TEST(store.sequence() == 16u);
  for (auto* line : {"change 11 cannot be used: a record of unknown type 9",
                     "change 12 cannot be used", "change 14 cannot be used",
                     "change 13 cannot be used: handle_id: a string expected",
                     "change 15 cannot be used"})
    BOOST_TEST(reported(line), line);
  BOOST_TEST(report.kept_aside.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_lost_journal_between_two_is_reported) {
  auto store = open();
  put(store, definition_of("a"));
  auto compacting = store.compaction_job();
  put(store, definition_of("b"));
  auto partial = disk->after_crash(false);
  BOOST_TEST(partial->remove("processes.journal").has_value());
  auto after = open(partial);
  BOOST_TEST(after.records().contains("b"));
  BOOST_TEST(!after.records().contains("a"));
  BOOST_TEST(reported("change 11 is lost"));
}

// Refused when they were written, and nobody could take them away.
BOOST_AUTO_TEST_CASE(records_above_the_base_of_the_next_journal_do_not_count) {
  auto two = std::make_shared<faulty_storage>();
  two->bytes(files::journal) = encode_journal_header({1, 0})
                               + frame_of(1, definition_of("a"))
                               + frame_of(2, definition_of("refused"));
  two->bytes("processes.journal.next.2") =
    encode_journal_header({2, 1}) + frame_of(2, definition_of("b"));
  auto store = open(two);
  BOOST_TEST(store.records().size() == 2u);
  BOOST_TEST(store.records().contains("b"));
  BOOST_TEST(store.sequence() == 2u);
}

BOOST_AUTO_TEST_CASE(a_newer_journal_is_refused_and_nothing_is_touched) {
  auto bytes = whole;
  bytes[8] = 2;
  auto crc = crc32c(bytes.substr(0, 12) + bytes.substr(16, 16));
  std::memcpy(bytes.data() + 12, &crc, sizeof crc);
  for (auto name : {"processes.journal", "processes.journal.next.9"}) {
    auto newer = disk->after_crash(false);
    newer->bytes(name) = bytes;
    auto before = newer->list().value();
    auto snapshot = newer->bytes(files::snapshot);
    auto refused = registry_store::open(newer, report);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == ec::format_refused));
    BOOST_TEST(refused.error().text.find(name) == 0u);
    BOOST_TEST(newer->bytes(name) == bytes);
    BOOST_TEST(newer->bytes(files::snapshot) == snapshot);
    BOOST_TEST(newer->list().value() == before,
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(without_any_snapshot_the_journal_still_speaks) {
  auto bare = std::make_shared<faulty_storage>();
  bare->bytes(files::journal) = whole;
  BOOST_TEST(open(bare).records().size() == 5u);
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_SUITE_END()
