#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "test/support/daemon_fixture.hpp"

// Processes that speak for themselves, through a real socket.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct notify_fixture : daemon_fixture {
  // A process that says these words; more keys behind.
  static std::string speaker(const std::string& name, const std::string& words,
                             const std::string& keys) {
    return "\"" + name + "\": {\"command\": [\"" + child("child_notify") + "\","
           + words + "], \"shutdown\": {\"timeout\": \"1s\"}, " + keys + "}";
  }

  void start_one(const std::string& words, const std::string& keys) {
    start("{\"processes\": {" + speaker("web", words, keys) + "}}");
  }

  std::string text_of(const std::string& key) {
    return show("web")[key.c_str()].GetString();
  }

  bool is_ready(const std::string& name) {
    return show(name)["ready"].GetBool();
  }

  bool becomes_ready(const std::string& name) {
    return ctl({"wait", name, "--for", "ready", "--timeout", "20s"}).code == 0;
  }
};

constexpr auto systemd_notify = "/usr/bin/systemd-notify";
constexpr auto ready_by_word = R"("readiness_probe": {"notify": true})";

const bool has_systemd_notify = ::access(systemd_notify, X_OK) == 0;

// The program that scripts use, where it is installed.
std::string systemd_speaker() {
  return has_systemd_notify ? fmt::format(R"("systemd": {{"command":
             "{} --ready --status=up; sleep 1000", {}}},)",
                                          systemd_notify, ready_by_word)
                            : "";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(notifying_children, notify_fixture)

BOOST_AUTO_TEST_CASE(a_child_and_its_descendants_say_that_they_are_ready) {
  auto speaks = child("child_notify");
  start("{\"processes\": {"
        + speaker("main", R"("STATUS=warm", "READY=1")", ready_by_word)
        + ","
        // Its pid is another one than the main one.
        + R"("shell": {"command": ")" + speaks
        + R"( READY=1 barrier exit; sleep 1000", )" + ready_by_word
        + "},"
        // And this one has left the session, and its parent has ended.
        + R"("orphan": {"command": "(setsid )" + speaks
        + R"( +200 READY=1 barrier exit &); sleep 1000", )" + ready_by_word
        + "}," + systemd_speaker()
        + speaker("silent", R"("STATUS=thinking")", ready_by_word) + "}}");
  BOOST_TEST(becomes_ready("main"));
  BOOST_TEST(becomes_ready("shell"));
  BOOST_TEST(becomes_ready("orphan"));
  if (has_systemd_notify)
    BOOST_TEST(becomes_ready("systemd"));
  BOOST_TEST(wait_until([&] {
    return std::string{show("silent")["notify_status"].GetString()}
           == "thinking";
  }));
  BOOST_TEST(!is_ready("silent"));
  BOOST_TEST(std::string{show("main")["notify_status"].GetString()} == "warm");
}

BOOST_AUTO_TEST_CASE(a_stranger_says_nothing_for_others) {
  start_one(R"("STATUS=mine")", ready_by_word);
  BOOST_REQUIRE(wait_until([&] { return text_of("notify_status") == "mine"; }));
  auto socket = state_dir() + "/notify.sock";
  auto said =
    run_command({"env", "NOTIFY_SOCKET=" + socket, child("child_notify"),
                 "READY=1", "STATUS=yours", "barrier", "exit"});
  BOOST_TEST(said.code == 0); // it was taken, and dropped
  BOOST_TEST(!is_ready("web"));
  BOOST_TEST(text_of("notify_status") == "mine");
}

BOOST_AUTO_TEST_CASE(readiness_follows_what_is_said) {
  start_one(R"("READY=1", "+1500", "RELOADING=1", "+1500", "READY=1")",
            ready_by_word);
  BOOST_TEST(becomes_ready("web"));
  BOOST_TEST(wait_until([&] { return !is_ready("web"); }));
  BOOST_TEST(becomes_ready("web"));
}

BOOST_AUTO_TEST_CASE(a_start_without_a_word_fails) {
  start_one(R"("STATUS=stuck")", R"("restart": "never",
    "startup_probe": {"notify": true, "period": "100ms"})");
  BOOST_TEST(wait_for_status("web", "failed"));
  BOOST_TEST(text_of("cause") == "probe");
  BOOST_TEST_INFO(text_of("status_text"));
  BOOST_TEST(text_of("status_text").find("has not said READY=1")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_hung_child_is_restarted_by_its_watchdog) {
  start_one(R"("loop", "WATCHDOG=1", "+100")",
            R"("restart": "always", "watchdog": "1s")");
  auto pid = pid_of("web");
  ::usleep(1'500'000); // longer than the watchdog waits
  BOOST_TEST(pid_of("web") == pid);
  ::kill(pid, SIGSTOP);
  BOOST_TEST(wait_until([&] {
    auto now = show("web");
    return now["pid"].IsInt() && now["pid"].GetInt() != pid
           && status_of("web") == "running";
  }));
  BOOST_TEST(text_of("cause") == "watchdog");
  BOOST_TEST(show("web")["restart_count"].GetInt() == 1);
  BOOST_TEST(!process_exists(pid));
}

BOOST_AUTO_TEST_CASE(a_node_that_comes_back_is_heard_on_the_same_path) {
  start_one(R"("READY=1", "loop", "WATCHDOG=1", "STATUS=beating", "+100")",
            std::string{ready_by_word} + R"(, "watchdog": "2s")");
  BOOST_TEST(becomes_ready("web"));
  auto pid = pid_of("web");
  crash();
  start();
  BOOST_TEST(is_ready("web"));
  ::usleep(2'500'000); // longer than the watchdog waits
  BOOST_TEST(pid_of("web") == pid);
  BOOST_TEST(show("web")["restart_count"].GetInt() == 0);
  ::kill(pid, SIGSTOP);
  BOOST_TEST(wait_until([&] {
    auto now = show("web");
    return !now["pid"].IsInt() || now["pid"].GetInt() != pid;
  }));
  BOOST_TEST(text_of("cause") == "watchdog");
}

// The state directory is closed to others; their socket is not.
BOOST_AUTO_TEST_CASE(another_user_is_heard) {
  if (::geteuid() != 0)
    return;
  std::filesystem::permissions(directory().path(),
                               std::filesystem::perms{0755});
  start(
    R"({"processes": {"web": {"command": "python3 -c \"import os,socket as s;)"
    R"(s.socket(s.AF_UNIX,s.SOCK_DGRAM).sendto(b'READY=1\\nSTATUS=uid %d' )"
    R"(% os.getuid(), os.environ['NOTIFY_SOCKET'])\"; sleep 1000",
        "working_dir": "/", "user": "65534", "group": "65534", )"
    + std::string{ready_by_word} + "}}}");
  BOOST_TEST(wait_until([&] { return is_ready("web"); }));
  BOOST_TEST(text_of("notify_status") == "uid 65534");
}

BOOST_AUTO_TEST_SUITE_END()
