#define BOOST_TEST_MODULE pipe_log
#include <sys/mount.h>
#include <sys/stat.h>

#include "test/unit/runtime/pipe_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

namespace {

// What the index says that one origin wrote.
std::string bytes_of(const std::string& path, const run_id& run, stream which) {
  auto all = read_file(path);
  log_index_file index{path};
  std::string result;
  for (size_t i = 0; i < index.size(); ++i) {
    auto chunk = index.chunk(i);
    auto end = std::min<uint64_t>(chunk.end, all.size());
    if (chunk.run_id == run && chunk.which == which && chunk.begin < end)
      result += all.substr(chunk.begin, end - chunk.begin);
  }
  return result;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(pipe_log_test, pipe_fixture)

BOOST_AUTO_TEST_CASE(two_streams_of_fifty_megabytes_lose_no_byte) {
  auto path = dir / "logs/deep/web.log";
  auto out_bytes = random_bytes(50u << 20, 1);
  auto err_bytes = random_bytes(50u << 20, 2);
  auto out = open_log(path, 1, stream::stdout_stream);
  auto err = open_log(path, 1, stream::stderr_stream);
  std::thread first{[&] {
    write_all(out.write_end.get(), out_bytes, 3);
    out.write_end.reset();
  }};
  std::thread second{[&] {
    write_all(err.write_end.get(), err_bytes, 4);
    err.write_end.reset();
  }};
  BOOST_TEST(run_until([&] { return closed == 2; }));
  first.join();
  second.join();
  BOOST_TEST(moved == 100u << 20);
  BOOST_TEST(dropped == 0u);
  BOOST_TEST(troubles.empty());
  BOOST_TEST(
    (bytes_of(path, run_number(1), stream::stdout_stream) == out_bytes));
  BOOST_TEST(
    (bytes_of(path, run_number(1), stream::stderr_stream) == err_bytes));
  struct stat status {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600u);
  BOOST_REQUIRE(::stat((dir / "logs").c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0700u);
}

BOOST_AUTO_TEST_CASE(a_second_run_goes_on_behind_the_first) {
  auto path = dir / "web.log";
  auto old_run = open_log(path, 1);
  write(old_run, "old\n");
  BOOST_TEST(run_until([&] { return moved == 4; }));
  auto new_run = open_log(path, 2); // while a grandchild holds the old pipe
  write(new_run, "new\n");
  BOOST_TEST(run_until([&] { return moved == 8; }));
  write(old_run, "late\n");
  BOOST_TEST(run_until([&] { return moved == 13; }));
  BOOST_TEST(read_file(path) == "old\nnew\nlate\n");
  BOOST_TEST(bytes_of(path, run_number(1), stream::stdout_stream)
             == "old\nlate\n");
  BOOST_TEST(logs.open_count() == 1u);
}

BOOST_AUTO_TEST_CASE(no_record_is_left_for_a_pipe_that_only_ended) {
  auto path = dir / "web.log";
  auto x = open_log(path);
  write(x, "line\n");
  BOOST_TEST(run_until([&] { return moved == 5; }));
  ::usleep(11'000); // else the record would be spared for being so soon
  x.write_end.reset();
  BOOST_TEST(run_until([&] { return closed == 1; }));
  auto next = open_log(path, 2);
  write(next, "more\n");
  BOOST_TEST(run_until([&] { return moved == 10; }));
  log_index_file index{path};
  BOOST_TEST(index.size() == 2u);
  BOOST_TEST((index.chunk(1).run_id == run_number(2)));
}

BOOST_AUTO_TEST_CASE(output_after_the_exit_still_reaches_the_log) {
  auto x = open_log(dir / "web.log");
  write(x, "before ");
  x.watcher->drain();
  BOOST_TEST(read_file(dir / "web.log") == "before ");
  BOOST_TEST(x.watcher->is_open()); // the write end is the grandchild's now
  write(x, "after");
  x.write_end.reset();
  BOOST_TEST(run_until([&] { return closed == 1; }));
  BOOST_TEST(read_file(dir / "web.log") == "before after");
}

BOOST_AUTO_TEST_CASE(a_deleted_log_is_made_anew) {
  auto path = dir / "web.log";
  auto x = open_log(path);
  write(x, "one\n");
  BOOST_TEST(run_until([&] { return moved == 4; }));
  BOOST_REQUIRE(::unlink(path.c_str()) == 0);
  write(x, "two\n");
  BOOST_TEST(run_until([&] { return moved == 8; }));
  BOOST_TEST(read_file(path) == "two\n");
  BOOST_TEST(bytes_of(path, run_number(1), stream::stdout_stream) == "two\n");
}

BOOST_AUTO_TEST_CASE(a_renamed_log_is_left_within_a_second) {
  auto path = dir / "web.log";
  auto x = open_log(path);
  write(x, "one\n");
  BOOST_TEST(run_until([&] { return moved == 4; }));
  BOOST_REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
  size_t written = 4;
  BOOST_TEST(run_until([&] {
    if (moved == written) {
      write(x, "more\n");
      written += 5;
      ::usleep(20'000);
    }
    return std::filesystem::exists(path);
  }));
  BOOST_TEST(run_until([&] { return moved == written; }));
  BOOST_TEST(read_file(path + ".1").size() + read_file(path).size() == written);
}

BOOST_AUTO_TEST_CASE(a_truncated_log_begins_again_without_a_hole) {
  auto path = dir / "web.log";
  auto x = open_log(path);
  write(x, "a long line before\n");
  BOOST_TEST(run_until([&] { return moved == 19; }));
  ::usleep(11'000);
  write(x, "another\n");
  BOOST_TEST(run_until([&] { return moved == 27; }));
  BOOST_REQUIRE(::truncate(path.c_str(), 0) == 0);
  write(x, "new\n");
  BOOST_TEST(run_until([&] { return moved == 31; }));
  BOOST_TEST(read_file(path) == "new\n");
  BOOST_TEST(bytes_of(path, run_number(1), stream::stdout_stream) == "new\n");
}

BOOST_AUTO_TEST_CASE(what_others_append_is_not_overwritten) {
  auto path = dir / "web.log";
  auto x = open_log(path);
  write(x, "one\n");
  BOOST_TEST(run_until([&] { return moved == 4; }));
  std::ofstream{path, std::ios::app} << "foreign\n";
  write(x, "two\n");
  BOOST_TEST(run_until([&] { return moved == 8; }));
  BOOST_TEST(read_file(path) == "one\nforeign\ntwo\n");
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_opened_drops_counts_and_recovers) {
  std::ofstream{dir / "file"} << "";
  auto path = dir / "file/web.log"; // not below a file
  auto x = open_log(path);
  write(x, "lost");
  BOOST_TEST(run_until([&] { return dropped == 4; }));
  write(x, "lost");
  BOOST_TEST(run_until([&] { return dropped == 8; }));
  BOOST_REQUIRE(troubles.size() == 1); // told once
  BOOST_TEST(troubles[0].find("Not a directory") != std::string::npos);
  std::filesystem::remove(dir / "file");
  BOOST_TEST(run_until([&] {
    write(x, "x");
    ::usleep(50'000);
    return moved > 0;
  }));
  BOOST_TEST(read_file(path) == std::string(moved, 'x'));
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_not_followed) {
  std::ofstream{dir / "precious"} << "keep";
  std::filesystem::create_symlink(dir / "precious", dir / "web.log");
  auto x = open_log(dir / "web.log");
  write(x, "overwritten");
  BOOST_TEST(run_until([&] { return dropped == 11; }));
  BOOST_TEST(read_file(dir / "precious") == "keep");
}

BOOST_AUTO_TEST_CASE(a_full_disk_stops_nobody) {
  auto mount_point = dir / "small";
  std::filesystem::create_directory(mount_point);
  if (::mount("pm-test", mount_point.c_str(), "tmpfs", 0, "size=256k") != 0) {
    BOOST_TEST_MESSAGE("skipped: no permission to mount a tmpfs");
    return;
  }
  {
    auto x = open_log(mount_point + "/web.log");
    auto bytes = random_bytes(2u << 20, 9);
    std::thread child{[&] { write_all(x.write_end.get(), bytes, 5); }};
    BOOST_TEST(run_until([&] { return moved + dropped == bytes.size(); }));
    child.join();
    BOOST_TEST(dropped > 1u << 20);
    BOOST_TEST(moved > 100u << 10);
    BOOST_TEST(troubles.size() == 1u);
    auto kept = read_file(mount_point + "/web.log");
    BOOST_TEST((bytes.substr(0, kept.size()) == kept));
    // Room again: within a second or so, bytes arrive again.
    BOOST_REQUIRE(::truncate((mount_point + "/web.log").c_str(), 0) == 0);
    moved = 0;
    BOOST_TEST(run_until([&] {
      write(x, "y");
      ::usleep(50'000);
      return moved > 0;
    }));
    x.write_end.reset();
    BOOST_TEST(run_until([&] { return closed == 1; }));
  }
  BOOST_TEST(::umount(mount_point.c_str()) == 0);
}

BOOST_AUTO_TEST_CASE(a_device_is_written_by_copying) {
  auto x = open_log("/dev/null");
  write(x, "into the void");
  BOOST_TEST(run_until([&] { return moved == 13; }));
  auto fifo = dir / "fifo";
  BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  unique_fd reader{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  auto y = open_log(fifo);
  write(y, "through");
  BOOST_TEST(run_until([&] { return moved == 20; }));
  char buffer[16];
  BOOST_TEST(::read(reader.get(), buffer, sizeof(buffer)) == 7);
}

BOOST_AUTO_TEST_CASE(not_more_logs_than_the_bound_are_open) {
  log_table few{4, {}};
  std::vector<child_pipe> pipes;
  for (uint8_t i = 0; i < 20; ++i)
    pipes.push_back(open({{run_number(i), stream::stdout_stream},
                          output_mode::log,
                          0,
                          few.at(dir / fmt::format("{}.log", i))}));
  for (int round = 0; round < 3; ++round)
    for (auto& x : pipes)
      write(x, "line\n");
  BOOST_TEST(run_until([&] { return moved == 300; }));
  BOOST_TEST(few.open_count() == 4u);
  for (int i = 0; i < 20; ++i)
    BOOST_TEST(read_file(dir / fmt::format("{}.log", i)).size() == 15u);
  pipes.clear();
  BOOST_TEST(few.open_count() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
