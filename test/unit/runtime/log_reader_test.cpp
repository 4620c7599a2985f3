#define BOOST_TEST_MODULE log_reader
#include <boost/test/unit_test.hpp>

#include <thread>

#include <pm/log_index.hpp>
#include <pm/log_reader.hpp>

#include "test/unit/runtime/loop_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

namespace {

constexpr auto out = stream::stdout_stream;
constexpr auto err = stream::stderr_stream;
constexpr int64_t epoch = 1'700'000'000'000'000; // microseconds

// A log as the runtime would write it, chunk by chunk, with times of choice.
struct log_fixture {
  temp_dir dir;
  std::string path = dir / "web.log";
  uint64_t offset = 0;

  void chunk(std::string_view bytes, stream which = out, uint8_t run = 1,
             int64_t seconds = 0) {
    log_index_record record;
    record.offset = offset;
    record.time_us = epoch + seconds * 1'000'000;
    record.run_id[0] = run;
    record.which = static_cast<uint8_t>(which);
    std::ofstream{log_index_path(path), std::ios::app | std::ios::binary}.write(
      reinterpret_cast<const char*>(&record), sizeof(record));
    raw(bytes);
  }

  void raw(std::string_view bytes) {
    std::ofstream{path, std::ios::app | std::ios::binary} << bytes;
    offset += bytes.size();
  }

  log_cursor open(log_query query = {}) {
    auto made = log_cursor::open(path, query);
    BOOST_REQUIRE(made.has_value());
    return std::move(*made);
  }

  static timestamp at(int64_t seconds) {
    return timestamp{milliseconds{epoch / 1000 + seconds * 1000}};
  }
};

std::vector<log_line> read_all(log_cursor& cursor) {
  std::vector<log_line> result;
  for (;;) {
    auto some = cursor.read_new();
    BOOST_REQUIRE(some.has_value());
    if (some->empty())
      return result;
    std::move(some->begin(), some->end(), std::back_inserter(result));
  }
}

std::string text_of(const std::vector<log_line>& lines) {
  std::string result;
  for (auto& line : lines)
    result += (result.empty() ? "" : "|") + line.text;
  return result;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(log_reader_test, log_fixture)

BOOST_AUTO_TEST_CASE(lines_carry_time_stream_run_and_offset) {
  chunk("one\ntwo\n", out, 1, 0);
  chunk("bad\n", err, 2, 5);
  auto cursor = open();
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 3);
  BOOST_TEST(lines[1].text == "two");
  BOOST_TEST((lines[1].time == at(0)));
  BOOST_TEST((lines[1].which == out));
  BOOST_TEST(lines[1].offset == 4u);
  BOOST_TEST((lines[2].time == at(5)));
  BOOST_TEST(lines[2].time_us == epoch + 5'000'000);
  BOOST_TEST((lines[2].which == err));
  BOOST_TEST((lines[2].run_id == run_id{{2}}));
  BOOST_TEST(lines[2].complete);
}

BOOST_AUTO_TEST_CASE(parts_of_two_streams_are_put_together) {
  chunk("out begins ", out);
  chunk("err ", err);
  chunk("and ends\n", out);
  chunk("too\n", err);
  auto cursor = open();
  BOOST_TEST(text_of(read_all(cursor)) == "out begins and ends|err too");
}

BOOST_AUTO_TEST_CASE(without_an_index_lines_have_no_time) {
  raw("a\nb\n");
  auto cursor = open();
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(!lines[0].time.has_value());
  BOOST_TEST(!lines[0].which.has_value());
  BOOST_TEST(!lines[0].run_id);
}

BOOST_AUTO_TEST_CASE(of_two_records_with_one_offset_the_last_counts) {
  chunk("", out, 1, 0);
  chunk("", err, 1, 1);
  chunk("x\n", out, 1, 2);
  auto cursor = open();
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 1);
  BOOST_TEST((lines[0].time == at(2)));
}

BOOST_AUTO_TEST_CASE(the_last_lines_are_found_in_a_large_file) {
  std::string block;
  for (int i = 0; i < 200'000; ++i)
    block += fmt::format("line {:06} {}\n", i, std::string(30, 'x'));
  chunk(block);
  chunk("last\n", err, 1, 3);
  auto cursor = open({.lines = 3});
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 3);
  BOOST_TEST(lines[0].text.starts_with("line 199998 "));
  BOOST_TEST(lines[2].text == "last");
  auto many = open({.lines = 150'000});
  BOOST_TEST(read_all(many).size() == 150'000u);
  auto more = open({.lines = 300'000});
  auto all = read_all(more);
  BOOST_TEST(all.size() == 200'001u);
  BOOST_TEST(all[0].text.starts_with("line 000000 "));
}

BOOST_AUTO_TEST_CASE(the_last_lines_of_one_stream_are_found_far_back) {
  chunk("early error\n", err);
  for (int i = 0; i < 3; ++i)
    chunk(std::string(200'000, 'o') + "\n", out);
  auto cursor = open({.lines = 2, .only = err});
  BOOST_TEST(text_of(read_all(cursor)) == "early error");
}

BOOST_AUTO_TEST_CASE(a_window_never_shows_half_a_line) {
  // The first window begins within these; the partner of "half" is before it.
  chunk("whole\nhalf ", err);
  chunk(std::string(300'000, 'o') + "\n", out);
  chunk("a line\n", err);
  auto two = open({.lines = 2});
  auto lines = read_all(two);
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(lines[0].text.size() == 300'000u);
  BOOST_TEST(lines[1].text == "half a line");
  auto one = open({.lines = 1, .only = err});
  BOOST_TEST(text_of(read_all(one)) == "half a line");
}

BOOST_AUTO_TEST_CASE(an_unfinished_line_counts_among_the_last) {
  raw("a\nb\nprompt> ");
  auto cursor = open({.lines = 2});
  BOOST_TEST(text_of(read_all(cursor)) == "b");
  auto rest = cursor.flush();
  BOOST_REQUIRE(rest.size() == 1);
  BOOST_TEST(rest[0].text == "prompt> ");
  BOOST_TEST(!rest[0].complete);
  auto none = open({.lines = 0});
  BOOST_TEST(read_all(none).empty());
}

BOOST_AUTO_TEST_CASE(since_passes_over_what_is_older) {
  chunk("old\nold end ", out, 1, 0);
  chunk("old too\n", err, 1, 10);
  chunk("of a line\nnew\n", out, 1, 20);
  chunk("newer\n", err, 1, 30);
  auto cursor = open({.since = at(15)});
  BOOST_TEST(text_of(read_all(cursor)) == "new|newer");
  auto all = open({.since = at(-5)});
  BOOST_TEST(read_all(all).size() == 5u);
  auto none = open({.since = at(100)});
  BOOST_TEST(read_all(none).empty());
  chunk("future\n", out, 1, 200);
  BOOST_TEST(text_of(read_all(none)) == "future");
  auto last = open({.lines = 1, .since = at(15)});
  BOOST_TEST(text_of(read_all(last)) == "future");
}

BOOST_AUTO_TEST_CASE(following_gives_whole_lines_as_they_end) {
  chunk("first\nsec");
  auto cursor = open({.lines = 10});
  BOOST_TEST(text_of(read_all(cursor)) == "first");
  BOOST_TEST(read_all(cursor).empty());
  raw("ond\nthird");
  BOOST_TEST(text_of(read_all(cursor)) == "second");
  chunk(" part\n");
  BOOST_TEST(text_of(read_all(cursor)) == "third part");
}

BOOST_AUTO_TEST_CASE(what_a_run_left_open_comes_when_the_next_begins) {
  chunk("died with", out, 1);
  auto cursor = open();
  BOOST_TEST(read_all(cursor).empty());
  chunk("hello\n", out, 2);
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(lines[0].text == "died with");
  BOOST_TEST(!lines[0].complete);
}

BOOST_AUTO_TEST_CASE(a_replaced_or_truncated_file_is_read_anew) {
  chunk("one\ntwo\nopen");
  auto cursor = open();
  BOOST_TEST(read_all(cursor).size() == 2u);
  std::filesystem::rename(path, path + ".1");
  std::filesystem::remove(log_index_path(path));
  BOOST_TEST(read_all(cursor).empty()); // nothing new is there yet
  offset = 0;
  chunk("three\n", err, 2, 7);
  auto lines = read_all(cursor);
  BOOST_TEST(text_of(lines) == "open|three");
  BOOST_TEST((lines.back().time == at(7)));
  std::filesystem::resize_file(path, 0);
  std::filesystem::resize_file(log_index_path(path), 0);
  offset = 0;
  chunk("4\n");
  BOOST_TEST(text_of(read_all(cursor)) == "4");
}

BOOST_AUTO_TEST_CASE(a_missing_file_has_no_lines_until_it_comes) {
  auto cursor = open({.lines = 5});
  BOOST_TEST(!cursor.exists());
  BOOST_TEST(read_all(cursor).empty());
  chunk("here\n");
  BOOST_TEST(text_of(read_all(cursor)) == "here");
  BOOST_TEST(cursor.exists());
  BOOST_TEST(!log_cursor::open(dir.path(), {}).has_value());
}

BOOST_AUTO_TEST_CASE(an_endless_line_comes_in_pieces) {
  raw(std::string(2 * log_line_max + 10, 'e') + "\nnext\n");
  auto cursor = open();
  auto lines = read_all(cursor);
  BOOST_REQUIRE(lines.size() == 4);
  BOOST_TEST(lines[0].text.size() == log_line_max);
  BOOST_TEST(lines[2].text.size() == 10u);
  BOOST_TEST(lines[3].text == "next");
}

BOOST_AUTO_TEST_CASE(damaged_indexes_cost_times_and_never_lines) {
  raw("a\nb\nc\n");
  std::ofstream{log_index_path(path)} << std::string(40 * 3 + 17, '\xff');
  auto cursor = open();
  BOOST_TEST(text_of(read_all(cursor)) == "a|b|c");
  auto last = open({.lines = 2, .since = at(0)});
  BOOST_TEST(text_of(read_all(last)) == "b|c");
}

BOOST_AUTO_TEST_CASE(waiting_ends_with_a_change_or_the_timeout) {
  raw("a\n");
  auto waiter = log_waiter::make().value();
  BOOST_REQUIRE(waiter.add(path).has_value());
  BOOST_REQUIRE(waiter.add(dir / "later.log").has_value());
  BOOST_TEST(waiter.wait(0ms)); // once, since nothing is known yet
  BOOST_TEST(!waiter.wait(20ms));
  std::thread writer{[&] {
    ::usleep(30'000);
    raw("b\n");
  }};
  auto begin = steady::now();
  BOOST_TEST(waiter.wait(std::nullopt));
  BOOST_TEST((steady::now() - begin < 200ms)); // by an event, not a look
  writer.join();
  std::ofstream{dir / "later.log"} << "new";
  BOOST_TEST(waiter.wait(5s));
  BOOST_TEST(!waiter.wait(10ms));
  std::ofstream{dir / "later.log", std::ios::app} << "more";
  BOOST_TEST(waiter.wait(5s));
  BOOST_TEST(!waiter.add(dir / "no/such/place.log").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
