#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "test/support/daemon_fixture.hpp"

// A real node whose wall clock is set while it works, as by an administrator:
// libfaketime reads the difference from a file.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

constexpr auto config = R"({"processes": {
  "tick": {"command": "echo tick", "restart": "never",
           "schedule": {"interval": "500ms"}},
  "crasher": {"command": "echo up; sleep 0.2; exit 1",
              "restart_delay": "500ms", "restart_factor": 1,
              "start_limit": {"burst": 1000, "interval": "1s"}},
  "web": {"command": "exec sleep 1000",
          "readiness_probe": {"exec": "test -e good",
                              "period": "300ms"}},
  "slow": {"command": "trap : TERM; while :; do sleep 0.1; done",
           "shutdown": {"timeout": "1s"}}}})";

std::string find_faketime() {
  for (auto& entry : std::filesystem::directory_iterator{"/usr/lib"}) {
    auto path = entry.path() / "faketime/libfaketime.so.1";
    if (std::filesystem::exists(path))
      return path.string();
  }
  return {};
}

struct clock_fixture : daemon_fixture {
  clock_fixture() {
    set_clock("+0");
    start_it();
  }

  void start_it() {
    auto library = find_faketime();
    BOOST_REQUIRE(!library.empty());
    ::setenv("LD_PRELOAD", library.c_str(), 1);
    ::setenv("FAKETIME_TIMESTAMP_FILE", file().c_str(), 1);
    ::setenv("FAKETIME_NO_CACHE", "1", 1);
    ::setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
    start(config);
    for (auto name : {"LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE",
                      "FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC"})
      ::unsetenv(name);
  }

  std::string file() const { return directory().file("clock"); }

  // The difference from the machine's clock, as "-1d". In one step: the node
  // reads it all the time.
  void set_clock(const std::string& difference) {
    std::ofstream{file() + ".new"} << difference << '\n';
    std::filesystem::rename(file() + ".new", file());
  }

  long count(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n');
  }

  long runs(const std::string& name) { return count(log_of(name)); }

  // All goes on at the pace that it had: within 3 s each timer comes again,
  // and not in a burst.
  void check_pace() {
    auto ticks = runs("tick");
    auto crashes = runs("crasher");
    auto begun = std::chrono::steady_clock::now();
    BOOST_TEST(wait_until([&] { return runs("tick") >= ticks + 4; }, 10s));
    BOOST_TEST(wait_until([&] { return runs("crasher") >= crashes + 3; }, 10s));
    std::chrono::duration<double> passed =
      std::chrono::steady_clock::now() - begun;
    // One each 500 ms, and one each 700 ms.
    BOOST_TEST(static_cast<double>(runs("tick") - ticks)
               < passed.count() * 2 + 4);
    BOOST_TEST(static_cast<double>(runs("crasher") - crashes)
               < passed.count() / 0.7 + 4);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_clock_that_is_set, clock_fixture)

BOOST_AUTO_TEST_CASE(a_day_back_and_a_day_ahead_change_no_pace) {
  check_pace();
  auto today = show("web")["last_updated"].GetString() + std::string{};
  for (auto* difference : {"-1d", "+1d", "+0"}) {
    BOOST_TEST_CONTEXT(difference) {
      set_clock(difference);
      // The node sees it: what it does from now on has the other date.
      BOOST_TEST(ctl({"restart", "web"}).code == 0);
      std::string seen = show("web")["last_updated"].GetString();
      BOOST_TEST((seen.substr(0, 10) != today.substr(0, 10))
                 == (difference != std::string{"+0"}));
      check_pace();
      // Probes ask on, and their answer counts.
      std::ofstream{directory().file("good")};
      BOOST_TEST(wait_until([&] { return show("web")["ready"].GetBool(); }));
      std::filesystem::remove(directory().file("good"));
      BOOST_TEST(wait_until([&] { return !show("web")["ready"].GetBool(); }));
      // So does the time to SIGKILL, and the start after it.
      auto before = std::chrono::steady_clock::now();
      BOOST_TEST(ctl({"restart", "slow"}).code == 0);
      auto took = std::chrono::steady_clock::now() - before;
      BOOST_TEST((took >= 900ms && took < 8s));
      BOOST_TEST(show("web")["uptime_ms"].GetInt64() >= 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_node_that_comes_back_a_day_earlier_goes_on) {
  BOOST_REQUIRE(wait_for_status("web", "running"));
  auto pid = pid_of("web");
  set_clock("-1d");
  crash();
  start_it();
  BOOST_TEST(pid_of("web") == pid);
  check_pace();
  BOOST_TEST(ctl({"stop", "*"}).code == 0);
}

BOOST_AUTO_TEST_SUITE_END()
