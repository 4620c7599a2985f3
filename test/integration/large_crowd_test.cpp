#define BOOST_TEST_MODULE large_crowd
#include <boost/test/unit_test.hpp>

#include "test/support/crowd.hpp"

using namespace pm::test;

BOOST_FIXTURE_TEST_CASE(five_thousand_fit_into_twenty_thousand_descriptors,
                        crowd_fixture) {
  start(sleepers(5000));
  BOOST_REQUIRE(wait_for_running(5000));
  BOOST_TEST(descriptors(node_pid()) < 20'000u);
  BOOST_TEST(descriptors(keeper_pid()) < 20'000u);
  BOOST_TEST(ctl({"status", "s4999"}).code == 0);
  BOOST_TEST(ctl({"run", "--", "echo", "more"}).out == "more\n");
  BOOST_TEST(ctl({"restart", "s17"}).code == 0);
  BOOST_TEST(ctl({"stop", "s1*"}).code == 0);
  BOOST_TEST(status_of("s1999") == "stopped");
  BOOST_TEST(zombies_of(keeper_pid()) == 0);
}
