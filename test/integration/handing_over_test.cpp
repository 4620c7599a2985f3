#include "test/integration/writers_fixture.hpp"

// Another program takes over: a new pm-node, or pm from an older tool.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct handing_over_fixture : writers_fixture {
  static std::filesystem::path program_of(int pid) {
    return std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid));
  }

  std::string serving() {
    return ctl_json({"version"})["node"]["program_path"].GetString();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(handing_over, handing_over_fixture)

BOOST_AUTO_TEST_CASE(ten_upgrades_lose_nothing) {
  start_writers(10);
  for (int i = 0; i < 10; ++i) {
    auto binary = new_node("node" + std::to_string(i));
    auto keeper = pid_in("keeper.pid");
    auto done = ctl({"upgrade", "--binary", binary});
    BOOST_TEST(done.code == 0, done.err);
    BOOST_TEST(serving() == binary);
    // In place: it is the parent of them all.
    BOOST_TEST(pid_in("keeper.pid") == keeper);
    BOOST_TEST(program_of(keeper)
               == std::filesystem::path{binary}.replace_filename("pm-keeper"));
    check_same_processes();
  }
  kill_node(); // the last keeper starts the next one
  check_same_processes();
  kill_keeper();
  check_same_processes();
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_CASE(a_keeper_is_replaced_while_no_exit_has_been_told) {
  start_writers(3);
  auto go = directory().file("go");
  for (int i = 0; i < 20; ++i)
    BOOST_REQUIRE(
      ctl(
        {"start", "--name", fmt::format("x{}", i), "--restart", "never", "--",
         "sh", "-c",
         fmt::format("while [ ! -e {} ]; do sleep 0.02; done; exit {}", go, i)})
        .code
      == 0);
  auto binary = new_node("next");
  std::thread ends{[&] {
    std::this_thread::sleep_for(20ms);
    directory().write("go", "");
  }};
  BOOST_TEST(ctl({"upgrade", "--binary", binary}).code == 0);
  ends.join();
  for (int i = 0; i < 20; ++i) {
    auto name = fmt::format("x{}", i);
    BOOST_TEST(ctl({"wait", name}).code == i);
    BOOST_TEST(ctl({"rm", name}).code == 0);
  }
  check_same_processes();
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_CASE(a_keeper_that_cannot_take_over_is_refused) {
  start_writers(3);
  auto before = serving();
  auto keeper = pid_in("keeper.pid");
  auto binary = new_node("next");
  auto bad =
    std::filesystem::path{binary}.replace_filename("pm-keeper").string();
  std::filesystem::remove(bad);
  std::filesystem::copy_file("/bin/false", bad);
  auto refused = ctl({"upgrade", "--binary", binary});
  BOOST_TEST(refused.code == 1);
  BOOST_TEST(refused.err.find("nothing has changed") != std::string::npos,
             refused.err);
  BOOST_TEST(serving() == before);
  BOOST_TEST(pid_in("keeper.pid") == keeper);
  check_same_processes();
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_come_up_is_rolled_back) {
  start_writers(3);
  auto before = serving();
  auto bad = directory().write(
    "bad",
    "#!/bin/sh\ncase \"$*\" in *--check-state*) exit 0;; esac\nexit 1\n");
  std::filesystem::permissions(bad, std::filesystem::perms::owner_all);
  auto done = ctl({"upgrade", "--binary", bad});
  BOOST_TEST(done.code == 1);
  BOOST_TEST(done.err.find("rolled back") != std::string::npos, done.err);
  BOOST_TEST(serving() == before);
  check_same_processes();
  auto refused = ctl({"upgrade", "--binary", "/bin/false"});
  BOOST_TEST(refused.code == 1);
  BOOST_TEST(refused.err.find("nothing has changed") != std::string::npos);
  check_same_processes();
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_CASE(a_node_without_a_keeper_gets_one_as_soon_as_it_can) {
  start_writers(3);
  auto binary = new_node("next");
  BOOST_REQUIRE(ctl({"upgrade", "--binary", binary}).code == 0);
  auto there =
    std::filesystem::path{binary}.replace_filename("pm-keeper").string();
  std::filesystem::rename(there, there + ".away");
  auto keeper = [&] {
    return ctl_json({"version"})["node"]["keeper_pid"].GetInt();
  };
  ::kill(keeper(), SIGKILL);
  BOOST_REQUIRE(wait_until([&] { return keeper() == 0; }));
  auto once =
    ctl({"start", "--name", "once", "--restart", "never", "--", "true"});
  BOOST_TEST(once.err.find("there is no keeper") != std::string::npos,
             once.err);
  BOOST_TEST(ctl({"start", "--name", "web", "--", "sleep", "1000"}).code != 0);
  check_same_processes();
  std::filesystem::rename(there + ".away", there);
  BOOST_TEST(wait_until([&] { return keeper() > 0; }));
  BOOST_TEST(wait_until([&] { return status_of("web") == "running"; }));
  BOOST_TEST(ctl({"stop", "web"}).code == 0);
  BOOST_TEST(ctl({"rm", "web", "once"}).code == 0);
  check_same_processes();
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_CASE(a_migrated_process_lives_on_and_is_ours_to_stop) {
  start();
  auto pid =
    std::atoi(run_command({"sh", "-c", "sleep 1000 > /dev/null 2>&1 & echo $!"})
                .out.c_str());
  auto now = run_command({"date", "-Is"}).out;
  now.pop_back();
  auto file = directory().write(
    "streamers.json",
    fmt::format(
      R"({{"old": {{"name": "old", "connection_profile": "p", "pid": {}, )"
      R"("status": "running", "start_time": "{}", "stop_time": null, )"
      R"("components": [], "log_level": "INFO", "log_file": "/dev/null", )"
      R"("elasticsearch_url": "http://x", "batch_size": 1, )"
      R"("flush_interval": 1}}, "bad": {{"pid": "x"}}}})",
      pid, now));
  auto text = read_file(file);
  BOOST_TEST(ctl({"migrate", file}).code == 1); // one is skipped
  BOOST_TEST(ctl_json({"list"}).Size() == 0u);
  auto done = ctl({"migrate", file, "--yes"});
  BOOST_TEST(done.code == 1);
  BOOST_TEST(done.out.find("1 adopted") != std::string::npos, done.out);
  BOOST_TEST(read_file(file) == text);
  BOOST_TEST(pid_of("old") == pid);
  kill_node();
  BOOST_TEST(pid_of("old") == pid);
  kill_both();
  BOOST_TEST(pid_of("old") == pid);
  BOOST_TEST(status_of("old") == "running");
  BOOST_TEST(ctl({"stop", "old"}).code == 0);
  BOOST_TEST(!process_exists(pid));
  auto again = ctl({"start", "old"});
  BOOST_TEST(again.code == 1);
  BOOST_TEST(again.err.find("does not tell a command") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(history_and_reasons_survive_it_all) {
  start();
  BOOST_TEST(ctl({"start", "--name", "web", "--", "sleep", "1000"}).code == 0);
  BOOST_TEST(ctl({"restart", "web"}).code == 0);
  kill_node();
  BOOST_TEST(ctl({"stop", "web", "--correlation-id", "c-42"}).code == 0);
  kill_both();
  auto runs = ctl_json({"history", "web"});
  BOOST_TEST_REQUIRE(runs.Size() == 2u);
  auto& ended = runs[0]["ended"];
  BOOST_TEST(std::string{ended["program"].GetString()} == "pmctl");
  BOOST_TEST(std::string{ended["correlation_id"].GetString()} == "c-42");
  auto why = ctl({"why", "web"}).out;
  BOOST_TEST(why.find("web is stopped since") != std::string::npos, why);
  BOOST_TEST(why.find("correlation c-42") != std::string::npos, why);
  BOOST_TEST(why.find("before that") != std::string::npos, why);
  BOOST_TEST(ctl({"history", "nobody"}).code == 5);
  auto report = ctl({"recover", "--report"}).out;
  BOOST_TEST(report.find("registry: whole") != std::string::npos, report);
}

BOOST_AUTO_TEST_SUITE_END()
