#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <thread>

#include "test/support/crowd.hpp"

// Many processes at once: none lost, nothing leaked, nothing awake for nothing.

using namespace pm::test;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(a_crowd, crowd_fixture)

BOOST_AUTO_TEST_CASE(a_thousand_start_idle_for_nothing_and_stop_without_trace) {
  start(sleepers(1000));
  BOOST_REQUIRE(wait_for_running(1000));
  auto keeper = keeper_pid();
  std::vector<int> pids;
  auto views = ctl_json({"list"});
  for (auto& view : views.GetArray())
    pids.push_back(view["pid"].GetInt());

  auto quiet = [&] { return sleeps(node_pid()) + sleeps(keeper); };
  auto before = quiet();
  std::this_thread::sleep_for(3s); // what is measured is this time itself
  BOOST_TEST(quiet() - before <= 3);

  BOOST_TEST(ctl({"stop", "s*"}).code == 0);
  for (auto pid : pids)
    BOOST_TEST(!process_exists(pid));
  BOOST_TEST(zombies_of(keeper) == 0);
  auto stopped = ctl_json({"list", "--status", "stopped"});
  BOOST_REQUIRE(stopped.Size() == 1000u);
  for (auto& view : stopped.GetArray())
    BOOST_TEST(std::string{view["exit_signal"].GetString()} == "TERM");
  BOOST_TEST(wait_until(
    [&] { return descriptors(node_pid()) < 60 && descriptors(keeper) < 30; }));
}

BOOST_AUTO_TEST_CASE(a_thousand_exits_at_once_are_a_thousand_codes) {
  std::string text = "{\"processes\": {";
  for (int i = 0; i < 1000; ++i)
    text += "\"x" + std::to_string(i) + "\": {\"command\": [\""
            + child("child_exit") + "\", \"" + std::to_string(i % 100)
            + "\"], \"restart\": \"never\"},";
  start(text + "}}");
  BOOST_REQUIRE(wait_until(
    [&] {
      return ctl_json({"list", "--status", "stopped"}).Size()
               + ctl_json({"list", "--status", "failed"}).Size()
             == 1000u;
    },
    60s));
  auto views = ctl_json({"list"});
  for (auto& view : views.GetArray()) {
    auto number = std::atoi(view["handle_id"].GetString() + 1);
    BOOST_TEST(view["exit_code"].GetInt() == number % 100);
  }
  BOOST_TEST(zombies_of(keeper_pid()) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
