#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "test/support/daemon_fixture.hpp"

// Hooks, and what else runs beside a process, on a real node. In a
// configuration `$$$$` is the `$$` of the shell.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct hooks_fixture : daemon_fixture {
  void start_one(const std::string& command, const std::string& keys) {
    start("{\"processes\": {\"web\": {\"command\": \"" + command
          + "\", \"shutdown\": {\"timeout\": \"5s\"}, " + keys + "}}}");
  }

  std::string text_of(const std::string& key) {
    return show("web")[key.c_str()].GetString();
  }

  // The pid that a hook has written into a file.
  int pid_in(const std::string& name) {
    auto path = directory().file(name);
    BOOST_REQUIRE(wait_until([&] { return !read_file(path).empty(); }));
    return std::stoi(read_file(path));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(hooks_of_real_children, hooks_fixture)

BOOST_AUTO_TEST_CASE(hooks_write_to_the_log_in_their_order) {
  auto say = [](const std::string& moment) {
    return "\"" + moment + R"(": "echo hook $PM_HOOK of $PM_HANDLE_ID")";
  };
  start_one("echo main $PM_HANDLE_ID; exec sleep 1000",
            "\"hooks\": {" + say("pre_start") + "," + say("pre_stop") + ","
              + say("post_stop") + R"(, "post_start":
              ["sh", "-c", "echo hook post_start beside $PM_MAIN_PID"]})");
  BOOST_REQUIRE(wait_for_status("web", "running"));
  auto pid = std::to_string(pid_of("web"));
  BOOST_TEST(wait_until([&] {
    auto log = log_of("web");
    return log.find("hook post_start beside " + pid + "\n") != log.npos
           && log.find("main web\n") != log.npos;
  }));
  BOOST_TEST(ctl({"stop", "web"}).code == 0);
  auto log = log_of("web");
  auto at = [&](const std::string& text) {
    auto found = log.find(text + "\n");
    BOOST_TEST_INFO(text << " in:\n" << log);
    BOOST_TEST(found != log.npos);
    return found;
  };
  BOOST_TEST(at("hook pre_start of web") < at("main web"));
  BOOST_TEST(at("main web") < at("hook pre_stop of web"));
  BOOST_TEST(at("hook pre_stop of web") < at("hook post_stop of web"));
  BOOST_TEST(status_of("web") == "stopped");
}

BOOST_AUTO_TEST_CASE(a_failed_pre_start_begins_nothing) {
  start_one("touch " + directory().file("began"),
            R"("restart": "never", "hooks": {"pre_start": "exit 9"})");
  BOOST_TEST(wait_for_status("web", "failed"));
  BOOST_TEST(text_of("status_text") == "hook pre_start: exit 9");
  BOOST_TEST(!std::filesystem::exists(directory().file("began")));
  auto answer = ctl({"start", "web"});
  BOOST_TEST(answer.code == 1);
  BOOST_TEST(answer.err.find("hook pre_start: exit 9") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_hook_is_ended_with_its_tree_when_its_time_is_over) {
  start_one("exec sleep 1000",
            R"("hooks": {"post_start": {"timeout": "300ms", "command":
              "(setsid sleep 1000 & echo $! > )"
              + directory().file("below") + R"(); sleep 1000"}})");
  auto below = pid_in("below");
  BOOST_TEST(wait_until([&] {
    return text_of("status_text") == "hook post_start: no end within 300ms";
  }));
  BOOST_TEST(wait_until([&] { return !process_exists(below); }));
  BOOST_TEST(status_of("web") == "running");
  BOOST_TEST(ctl({"events"}).out.find("hook post_start: no end within 300ms")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_a_pre_start_at_once) {
  start_one("exec sleep 1000", R"("hooks": {"pre_start": "echo $$$$ > )"
                                 + directory().file("hook")
                                 + R"(; sleep 1000; true"})");
  auto hook = pid_in("hook");
  BOOST_TEST(status_of("web") == "starting");
  BOOST_TEST(ctl({"stop", "web", "--timeout", "10s"}).code == 0);
  BOOST_TEST(status_of("web") == "stopped");
  BOOST_TEST(!process_exists(hook));
}

// What a node has begun beside a process does not outlive it by long.
BOOST_AUTO_TEST_CASE(the_next_node_ends_what_the_one_before_had_begun) {
  auto write_pid = [&](const std::string& name) {
    return "echo $$$$ > " + directory().file(name) + "; sleep 1000; true";
  };
  start_one("exec sleep 1000",
            R"("hooks": {"post_start": ")" + write_pid("hook")
              + R"("}, "readiness_probe": {"timeout": "10m", "exec": ")"
              + write_pid("probe") + "\"}");
  auto hook = pid_in("hook");
  auto probe = pid_in("probe");
  auto pid = pid_of("web");
  crash();
  BOOST_TEST(process_exists(hook));
  start();
  BOOST_TEST(wait_until(
    [&] { return !process_exists(hook) && !process_exists(probe); }));
  BOOST_TEST(pid_of("web") == pid);
  BOOST_TEST(status_of("web") == "running");
}

BOOST_AUTO_TEST_CASE(a_pre_start_that_a_crash_cuts_off_is_run_again) {
  start_one("exec sleep 1000", R"("hooks": {"pre_start": "echo $$$$ >> )"
                                 + directory().file("hooks") + "; test -e "
                                 + directory().file("go")
                                 + R"( || sleep 1000; test -e )"
                                 + directory().file("go") + "\"}");
  auto hook = pid_in("hooks");
  crash();
  std::ofstream{directory().file("go")} << "x";
  start();
  BOOST_TEST(wait_for_status("web", "running"));
  BOOST_TEST(wait_until([&] { return !process_exists(hook); }));
}

BOOST_AUTO_TEST_CASE(a_hook_that_outlives_both_halves_is_ended_by_the_next) {
  start_one("exec sleep 1000", R"("hooks": {"pre_start": "echo $$$$ >> )"
                                 + directory().file("hooks") + "; test -e "
                                 + directory().file("go")
                                 + R"( || sleep 1000; test -e )"
                                 + directory().file("go") + "\"}");
  auto hook = pid_in("hooks");
  abandon();
  BOOST_TEST(process_exists(hook));
  std::ofstream{directory().file("go")} << "x";
  start();
  BOOST_TEST(wait_for_status("web", "running"));
  BOOST_TEST(wait_until([&] { return !process_exists(hook); }));
}

// A probe that is under way neither holds a shutdown up nor outlives it.
BOOST_AUTO_TEST_CASE(a_shutdown_leaves_nothing_beside) {
  start_one("exec sleep 1000",
            R"("readiness_probe": {"timeout": "10m", "exec": "echo $$$$ > )"
              + directory().file("probe") + R"(; sleep 1000; true"})");
  auto probe = pid_in("probe");
  auto keeper = keeper_pid();
  BOOST_TEST(end(SIGTERM) == 0);
  BOOST_TEST(!process_exists(probe));
  BOOST_TEST(wait_until([&] { return !process_exists(keeper); }));
}

BOOST_AUTO_TEST_SUITE_END()
