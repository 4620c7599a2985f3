#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>

#include "test/unit/keeper/keeper_client.hpp"

// One keeper over many nodes: what it holds, and when it leaves.

using namespace pm;
using namespace pm::test;
using keeper::frame_type;
using keeper::outcome;

namespace {

uint64_t wakeups(int pid) {
  auto text = read_file(fmt::format("/proc/{}/status", pid));
  auto at = text.find("voluntary_ctxt_switches:");
  return std::strtoull(text.c_str() + at + 24, nullptr, 10);
}

size_t resident_kb(int pid, const char* row) {
  auto text = read_file(fmt::format("/proc/{}/status", pid));
  auto at = text.find(row);
  return std::strtoull(text.c_str() + at + strlen(row), nullptr, 10);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeper_life, keeper_fixture)

BOOST_AUTO_TEST_CASE(the_state_directory_shows_the_keeper) {
  BOOST_CHECK_EQUAL(read_file(dir.file("keeper.pid")),
                    std::to_string(pid) + "\n");
  struct stat status {};
  BOOST_REQUIRE_EQUAL(::stat(dir.file("keeper.sock").c_str(), &status), 0);
  BOOST_CHECK(S_ISSOCK(status.st_mode));
  BOOST_CHECK_EQUAL(status.st_mode & 0777, 0600u);
  auto arguments = read_file(fmt::format("/proc/{}/cmdline", pid));
  BOOST_CHECK_NE(arguments.find(dir.path()), std::string::npos);
  BOOST_CHECK_EQUAL(read_process_stat(pid)->session_id, pid);
}

BOOST_AUTO_TEST_CASE(exits_pipes_and_live_runs_outlast_the_node) {
  auto node = std::make_optional<keeper_client>(connect());
  auto piped = order_of({"cat"});
  piped.stdin_pipe = true;
  auto alive = node->spawn(piped);
  auto ended = node->spawn(order_of({"/bin/sh", "-c",
                                     "echo last words; "
                                     "exit 42"}));
  auto failed = node->spawn(order_of({"/nowhere/x"}));
  auto pid_before = node->wait_for(alive, frame_type::spawned).pid;
  node->wait_for(ended, frame_type::exited);
  node->wait_for(failed, frame_type::spawn_failed);
  node.reset();

  auto next = connect();
  BOOST_CHECK_EQUAL(next.welcome.version, keeper::version_max);
  BOOST_CHECK_EQUAL(next.welcome.keeper_pid, pid);
  BOOST_CHECK_EQUAL(next.welcome.live_count, 1u);
  BOOST_CHECK_EQUAL(next.welcome.ended_count, 2u);
  BOOST_REQUIRE_EQUAL(next.held.size(), 3u);
  for (auto& row : next.held) {
    if (row.run_id == alive) {
      BOOST_CHECK_EQUAL(row.pid, pid_before);
      BOOST_CHECK(row.outcome == outcome::live && row.stdin_pipe);
    } else if (row.run_id == ended) {
      BOOST_CHECK(row.exit->code == 42);
      BOOST_CHECK(row.ended_at >= row.spawned_at);
      BOOST_CHECK(row.duration.count() > 0);
    } else {
      BOOST_CHECK(row.run_id == failed && row.outcome == outcome::failed);
      BOOST_CHECK_EQUAL(row.error_number, ENOENT);
    }
  }
  BOOST_CHECK_EQUAL(read_to_end(next.pipes[ended].stdout_r.get()),
                    "last words\n");
  auto& ends = next.pipes[alive];
  BOOST_REQUIRE_EQUAL(::write(ends.stdin_w.get(), "still here\n", 11), 11);
  BOOST_CHECK_EQUAL(read_line(ends.stdout_r.get()), "still here\n");
  BOOST_REQUIRE(send_signal(next.pidfds[alive].get(), SIGKILL));
  BOOST_CHECK(next.wait_for(alive, frame_type::exited).exit->signal == SIGKILL);
  next.acknowledge({alive, ended, failed});
}

BOOST_AUTO_TEST_CASE(an_end_while_no_node_is_there_is_told_to_the_next) {
  auto node = std::make_optional<keeper_client>(connect());
  auto run = node->spawn(order_of({child("child_exit"), "7", "50"}));
  auto report = node->wait_for(run, frame_type::spawned);
  node.reset();
  BOOST_REQUIRE(
    eventually([&] { return !read_start_ticks(report.pid).has_value(); }));
  auto next = connect();
  BOOST_REQUIRE_EQUAL(next.held.size(), 1u);
  BOOST_CHECK(next.held.front().exit->code == 7);
}

BOOST_AUTO_TEST_CASE(a_large_table_is_handed_over_in_batches) {
  auto node = std::make_optional<keeper_client>(connect());
  std::set<run_id> runs;
  for (int i = 0; i < 200; ++i)
    runs.insert(node->spawn(order_of({"sleep", "1000"})));
  for (auto& run : runs)
    node->wait_for(run, frame_type::spawned);
  node.reset();
  auto next = connect();
  BOOST_CHECK_EQUAL(next.held.size(), runs.size());
  for (auto& [run, pidfd] : next.pidfds) {
    BOOST_CHECK(runs.contains(run));
    BOOST_CHECK(send_signal(pidfd.get(), SIGKILL));
  }
  for (auto& run : runs)
    BOOST_CHECK(next.wait_for(run, frame_type::exited).exit->signal == SIGKILL);
}

BOOST_AUTO_TEST_CASE(three_hundred_quick_exits_leave_nothing_behind) {
  auto node = connect();
  auto base = descriptor_count(pid);
  std::map<run_id, int> codes;
  for (int i = 0; i < 300; ++i) {
    auto code = i % 256;
    auto order = order_of({child("child_exit"), std::to_string(code)});
    codes[node.spawn(order)] = code;
  }
  std::vector<run_id> runs;
  for (auto& [run, code] : codes) {
    BOOST_CHECK(node.wait_for(run, frame_type::exited).exit->code == code);
    runs.push_back(run);
  }
  BOOST_CHECK_EQUAL(children_of(pid).all, 0u);
  node.acknowledge(runs);
  BOOST_CHECK(eventually([&] { return descriptor_count(pid) == base; }));
  for (auto name : {"keeper.runs", "keeper.exits"})
    BOOST_CHECK(eventually([&] { return read_file(dir.file(name)).empty(); }));
}

BOOST_AUTO_TEST_CASE(runs_and_exits_are_on_disk_before_they_are_told) {
  auto node = connect();
  auto run = node.spawn(order_of({child("child_exit"), "9"}));
  auto spawned = node.wait_for(run, frame_type::spawned);
  node.wait_for(run, frame_type::exited);
  auto runs = read_file(dir.file("keeper.runs"));
  auto exits = read_file(dir.file("keeper.exits"));
  BOOST_REQUIRE_EQUAL(runs.size(), 48u);
  BOOST_REQUIRE_EQUAL(exits.size(), 48u);
  auto number = [](const std::string& record, size_t at) {
    int32_t result = 0;
    std::memcpy(&result, record.data() + at, sizeof(result));
    return result;
  };
  for (auto& record : {runs, exits}) {
    BOOST_CHECK(std::memcmp(record.data(), run.bytes().data(), 16) == 0);
    BOOST_CHECK_EQUAL(number(record, 32), spawned.pid);
  }
  BOOST_CHECK_EQUAL(number(exits, 36), 9);
}

BOOST_AUTO_TEST_CASE(the_files_on_disk_forget_what_is_acknowledged) {
  auto node = connect();
  auto alive = node.spawn(order_of({"sleep", "1000"}));
  node.wait_for(alive, frame_type::spawned);
  size_t most = 0;
  for (int i = 0; i < 600; ++i) {
    auto run = node.spawn(order_of({child("child_exit"), "0"}));
    node.wait_for(run, frame_type::exited);
    node.acknowledge({run});
    most = std::max(most, read_file(dir.file("keeper.runs")).size());
  }
  auto runs = read_file(dir.file("keeper.runs"));
  BOOST_CHECK_LT(runs.size(), most);
  BOOST_CHECK_LT(most, 48u * 600);
  // What lives is still in it.
  BOOST_CHECK(std::memcmp(runs.data(), alive.bytes().data(), 16) == 0);
}

BOOST_AUTO_TEST_CASE(orphans_of_a_run_are_reaped_by_the_keeper) {
  auto node = connect();
  auto run = node.spawn(order_of({child("child_tree"), "leave"}));
  auto line = read_line(node.pipes[run].stdout_r.get());
  auto grandchild = std::atoi(line.c_str() + line.find(' '));
  node.wait_for(run, frame_type::exited);
  BOOST_REQUIRE(eventually(
    [&] { return read_process_stat(grandchild)->parent_pid == pid; }));
  BOOST_REQUIRE_EQUAL(::kill(grandchild, SIGKILL), 0);
  BOOST_CHECK(
    eventually([&] { return !read_process_stat(grandchild).has_value(); }));
}

BOOST_AUTO_TEST_CASE(a_group_outlives_its_reaped_leader) {
  auto node = connect();
  auto run = node.spawn(order_of({child("child_tree"), "leave"}));
  auto leader = node.wait_for(run, frame_type::exited).pid;
  auto& pidfd = node.pidfds[run];
  auto alive = send_group_signal(pidfd.get(), leader, 0);
  if (!alive && alive.error().code == ec::not_running) {
    // A kernel before 6.9 cannot prove it.
    auto line = read_line(node.pipes[run].stdout_r.get());
    ::kill(std::atoi(line.c_str() + line.find(' ')), SIGKILL);
    return;
  }
  BOOST_REQUIRE(alive);
  BOOST_REQUIRE(send_group_signal(pidfd.get(), leader, SIGKILL));
  BOOST_CHECK(eventually(
    [&] { return !send_group_signal(pidfd.get(), leader, 0).has_value(); }));
}

BOOST_AUTO_TEST_CASE(it_leaves_when_the_node_is_gone_and_nothing_is_left) {
  auto node = connect();
  auto run = node.spawn(order_of({"/bin/true"}));
  node.wait_for(run, frame_type::exited);
  node.goodbye();
  // The exit has not been acknowledged.
  auto next = connect();
  BOOST_REQUIRE_EQUAL(next.held.size(), 1u);
  BOOST_CHECK(!has_ended(pidfd.get()));
  next.acknowledge({run});
  next.goodbye();
  BOOST_CHECK(eventually([&] { return has_ended(pidfd.get()); }));
  struct stat status {};
  BOOST_CHECK_NE(::stat(dir.file("keeper.sock").c_str(), &status), 0);
  BOOST_CHECK_NE(::stat(dir.file("keeper.pid").c_str(), &status), 0);
  BOOST_CHECK(keeper::connect_keeper(dir.path()).error().code
              == ec::unreachable);
}

BOOST_AUTO_TEST_CASE(it_is_small_and_sleeps_when_nothing_happens) {
  auto node = connect();
  auto rss_empty = resident_kb(pid, "RssAnon:");
  BOOST_TEST_MESSAGE("VmRSS of an empty keeper: " << resident_kb(pid, "VmRSS:")
                                                  << " kB, of that anonymous: "
                                                  << rss_empty << " kB");
  std::vector<run_id> runs;
  for (int i = 0; i < 500; ++i)
    runs.push_back(node.spawn(order_of({"sleep", "1000"})));
  for (auto& run : runs)
    node.wait_for(run, frame_type::spawned);
  auto rss_full = resident_kb(pid, "RssAnon:");
  BOOST_TEST_MESSAGE("with 500 runs: " << resident_kb(pid, "VmRSS:")
                                       << " kB, anonymous: " << rss_full
                                       << " kB");
#ifndef PM_SANITIZED
  BOOST_CHECK_LT(rss_full - rss_empty, 200u);
#endif
  // A deadline for the wakeups that the last spawns have caused.
  uint64_t before = 0;
  BOOST_REQUIRE(eventually([&] {
    auto now = wakeups(pid);
    std::swap(before, now);
    ::usleep(100'000);
    return now == wakeups(pid);
  }));
  before = wakeups(pid);
  ::usleep(500'000);
  BOOST_CHECK_EQUAL(wakeups(pid), before);
  for (auto& run : runs)
    BOOST_CHECK(send_signal(node.pidfds[run].get(), SIGKILL));
  for (auto& run : runs)
    node.wait_for(run, frame_type::exited);
  BOOST_CHECK(eventually([&] { return children_of(pid).all == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()
