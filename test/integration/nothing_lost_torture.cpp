#define BOOST_TEST_MODULE nothing_lost_torture
#include <boost/test/unit_test.hpp>

#include "test/integration/step_kills.hpp"
#include "test/integration/trouble_fixture.hpp"

// The long form of nothing_lost_test.

using namespace pm::test;

BOOST_FIXTURE_TEST_SUITE(nothing_is_lost, writers_fixture)

BOOST_AUTO_TEST_CASE(two_hundred_kills_under_a_hundred_writers) {
  start_writers(100, 20);
  std::vector<std::chrono::milliseconds> silent;
  for (int i = 0; i < 200; ++i) {
    auto die = random()() % 8;
    if (die == 0)
      kill_both();
    else if (die < 3)
      kill_keeper();
    else
      silent.push_back(kill_node());
    if (i % 10 == 9)
      check_same_processes();
  }
  check_same_processes();
  std::sort(silent.begin(), silent.end());
  auto p99 = silent[silent.size() * 99 / 100];
  BOOST_TEST_MESSAGE("answers again after " << silent[silent.size() / 2].count()
                                            << " ms, p99 " << p99.count());
  BOOST_TEST(p99.count() < 1000);
  auto unknown = end_and_check();
  BOOST_TEST_MESSAGE(unknown << " exits of 100 are unknown");
}

BOOST_AUTO_TEST_CASE(ten_upgrades_under_a_hundred_writers) {
  start_writers(100, 20);
  for (int i = 0; i < 10; ++i) {
    auto done =
      ctl({"upgrade", "--binary", new_node("node" + std::to_string(i))});
    BOOST_TEST(done.code == 0, done.err);
    check_same_processes();
  }
  BOOST_TEST(end_and_check() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(a_half_dies_at_each_step)

BOOST_FIXTURE_TEST_CASE(the_node_in_starts, step_kills) {
  kill_in_starts("node.pid", 1, 1);
  BOOST_TEST_MESSAGE("a start: " << calls() << " calls of the node");
}

BOOST_FIXTURE_TEST_CASE(the_keeper_in_starts, step_kills) {
  kill_in_starts("keeper.pid", 1, 1);
  BOOST_TEST_MESSAGE("a start: " << calls() << " calls of the keeper");
}

BOOST_FIXTURE_TEST_CASE(the_node_in_stops, step_kills) {
  kill_in_stops("node.pid", 1, 1);
  BOOST_TEST_MESSAGE("a stop: " << calls() << " calls of the node");
}

BOOST_FIXTURE_TEST_CASE(the_keeper_in_stops, step_kills) {
  kill_in_stops("keeper.pid", 1, 1);
  BOOST_TEST_MESSAGE("a stop: " << calls() << " calls of the keeper");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_CASE(floods_of_twenty_seconds, trouble_fixture) {
  flood(std::chrono::seconds{20});
}
