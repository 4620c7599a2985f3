#include <filesystem>

#include <pm/log_reader.hpp>

#include "runtime/logs/log_segments.hpp"
#include "test/unit/runtime/pipe_fixture.hpp"

// Logs that go on in another file.

namespace pm::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct rotation_fixture : pipe_fixture {
  rotation_fixture() { rules.size_max = 100; }

  child_pipe open_rotated(uint8_t run = 1,
                          stream which = stream::stdout_stream) {
    return open(
      {{run_number(run), which}, output_mode::log, 0, logs.at(path, rules)});
  }

  // Writes, and waits until it is in the log.
  void put(const child_pipe& to, std::string_view text) {
    auto before = moved;
    write(to, text);
    BOOST_REQUIRE(run_until([&] { return moved >= before + text.size(); }));
    written += text;
  }

  // All lines, through a fresh reader, with a newline each.
  std::string read_back(log_query query = {}) {
    auto cursor = log_cursor::open(path, query);
    BOOST_REQUIRE(cursor.has_value());
    return lines_of(*cursor);
  }

  static std::string lines_of(log_cursor& cursor) {
    std::string result;
    for (;;) {
      auto some = cursor.read_new();
      BOOST_REQUIRE(some.has_value());
      if (some->empty())
        return result;
      for (auto& line : *some)
        result += line.text + "\n";
    }
  }

  std::string bytes_of(const log_segment& x) {
    auto file = open_segment(x);
    BOOST_REQUIRE(file.has_value());
    std::string result(1 << 20, '\0');
    auto count = ::pread(file->get(), result.data(), result.size(), 0);
    result.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
    return result;
  }

  // All bytes, file by file; none of them may be torn.
  std::string all_bytes() {
    std::string result;
    for (auto& x : find_segments(path)) {
      auto bytes = bytes_of(x);
      BOOST_TEST(bytes.size() == x.end - x.begin);
      BOOST_TEST(x.begin == result.size());
      BOOST_TEST(bytes.ends_with('\n'));
      result += bytes;
    }
    return result + (fs::exists(path) ? read_file(path) : std::string{});
  }

  std::string path = dir / "web.log";
  log_spec rules;
  std::string written;
};

std::string line(int number) {
  return fmt::format("line number {} of this log\n", number);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(log_rotation, rotation_fixture)

BOOST_AUTO_TEST_CASE(a_full_file_is_rotated_at_the_end_of_a_line) {
  auto child = open_rotated();
  for (int i = 0; i < 50; ++i)
    put(child, line(i));
  auto all = find_segments(path);
  BOOST_TEST(all.size() >= 10u);
  for (auto& x : all)
    BOOST_TEST(x.end - x.begin < 150u);
  BOOST_TEST((all_bytes() == written));
  BOOST_TEST((read_back() == written));
}

// Pieces that never end where a line does.
BOOST_AUTO_TEST_CASE(a_line_that_comes_in_pieces_is_not_torn) {
  auto child = open_rotated();
  std::string text;
  for (int i = 0; i < 100; ++i)
    text += line(i);
  for (size_t at = 0; at < text.size(); at += 37)
    put(child, text.substr(at, 37));
  BOOST_TEST(find_segments(path).size() >= 10u);
  BOOST_TEST((all_bytes() == written));
  BOOST_TEST((read_back() == written));
}

BOOST_AUTO_TEST_CASE(a_line_without_an_end_is_cut_in_the_end) {
  auto child = open_rotated();
  put(child, std::string(150, 'x'));
  BOOST_TEST(find_segments(path).empty());
  put(child, std::string(150, 'y'));
  BOOST_TEST(find_segments(path).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_file_is_rotated_when_it_is_old) {
  rules.size_max.reset();
  rules.rotate_every = 50ms;
  auto child = open_rotated();
  put(child, "first\n");
  BOOST_TEST(run_until([&] {
    put(child, "more\n");
    return !find_segments(path).empty();
  }));
  BOOST_TEST((read_back() == written));
}

BOOST_AUTO_TEST_CASE(numbers_go_on_over_rotations_and_writers) {
  {
    auto child = open_rotated();
    for (int i = 0; i < 10; ++i)
      put(child, line(i));
  }
  // Another node, which knows the files alone.
  auto child = open_rotated(2);
  for (int i = 10; i < 20; ++i)
    put(child, line(i));
  auto cursor = log_cursor::open(path, {});
  uint64_t expected = 0;
  for (auto some = cursor->read_new(); !some->empty();
       some = cursor->read_new())
    for (auto& x : *some) {
      BOOST_TEST(x.offset == expected);
      expected += x.text.size() + 1;
    }
  BOOST_TEST(expected == written.size());
  log_query from;
  from.since_offset = written.find("line number 7 ");
  BOOST_TEST((read_back(from) == written.substr(*from.since_offset)));
}

BOOST_AUTO_TEST_CASE(the_last_lines_reach_back_over_rotated_files) {
  auto child = open_rotated();
  for (int i = 0; i < 30; ++i)
    put(child, line(i));
  log_query last;
  last.lines = 17;
  BOOST_TEST(
    (read_back(last) == written.substr(written.find("number 13 ") - 5)));
  last.lines = 1000;
  BOOST_TEST((read_back(last) == written));
}

BOOST_AUTO_TEST_CASE(a_follower_goes_on_over_many_rotations) {
  auto child = open_rotated();
  auto cursor = log_cursor::open(path, {});
  std::string seen;
  for (int i = 0; i < 60; ++i) {
    put(child, line(i));
    if (i % 7 == 0) // several rotations between two looks
      seen += lines_of(*cursor);
  }
  seen += lines_of(*cursor);
  BOOST_TEST((seen == written));
}

BOOST_AUTO_TEST_CASE(old_files_are_compressed_and_the_oldest_removed) {
  auto child = open_rotated();
  for (int i = 0; i < 50; ++i)
    put(child, line(i));
  rules.files_max = 3;
  rules.compress = compression::gzip;
  tidy_rotated(path, rules);
  auto kept = find_segments(path);
  BOOST_REQUIRE(kept.size() == 3u);
  for (auto& x : kept) {
    BOOST_TEST(x.is_compressed);
    BOOST_TEST(!fs::exists(x.path));
    BOOST_TEST((bytes_of(x) == written.substr(x.begin, x.end - x.begin)));
  }
  BOOST_TEST((read_back() == written.substr(kept[0].begin)));
  // Numbers and times of what is left are as before.
  auto cursor = log_cursor::open(path, {});
  auto first = cursor->read_new();
  BOOST_REQUIRE(!first->empty());
  BOOST_TEST(first->front().offset == kept[0].begin);
  BOOST_TEST(first->front().time.has_value());
}

BOOST_AUTO_TEST_CASE(files_that_are_too_old_go_and_the_numbers_stay) {
  auto child = open_rotated();
  for (int i = 0; i < 10; ++i)
    put(child, line(i));
  std::this_thread::sleep_for(20ms);
  rules.age_max = 1ms;
  tidy_rotated(path, rules);
  auto kept = find_segments(path);
  BOOST_REQUIRE(kept.size() == 1u);
  BOOST_TEST(bytes_of(kept[0]).empty());
  auto end = kept[0].end;
  put(child, line(99));
  log_query from;
  from.since_offset = end;
  auto text = read_back(from);
  BOOST_TEST((text == written.substr(end)));
}

// A writer that dies between two steps leaves one of these.
BOOST_AUTO_TEST_CASE(a_death_at_any_step_loses_and_doubles_nothing) {
  {
    auto child = open_rotated();
    for (int i = 0; i < 6; ++i)
      put(child, line(i));
  }
  auto all = find_segments(path);
  BOOST_REQUIRE(!all.empty());
  auto& last = all.back();
  // Behind the first rename, before the second one.
  fs::rename(log_index_path(last.path), log_index_path(path));
  fs::remove(path);
  auto rest = written.substr(last.end);
  auto child = open_rotated();
  put(child, line(7));
  BOOST_TEST(fs::exists(log_index_path(last.path)));
  BOOST_TEST((read_back() == written.substr(0, last.end) + line(7)));
  // In the middle of compressing, and before the plain file is removed.
  rules.compress = compression::gzip;
  std::ofstream{last.path + ".gz.tmp"} << "half";
  tidy_rotated(path, rules);
  std::ofstream{last.path} << written.substr(last.begin, last.end - last.begin);
  BOOST_TEST((read_back() == written.substr(0, last.end) + line(7)));
  tidy_rotated(path, rules);
  BOOST_TEST(!fs::exists(last.path));
  BOOST_TEST((read_back() == written.substr(0, last.end) + line(7)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
