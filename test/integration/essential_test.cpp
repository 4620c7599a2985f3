#include <boost/test/unit_test.hpp>

#include "test/support/daemon_fixture.hpp"

// What a node does for those that matter most: it ends with an essential
// process, and shows no secret.

using namespace pm::test;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(essential, daemon_fixture)

BOOST_AUTO_TEST_CASE(the_node_ends_with_its_essential_process) {
  auto flag = directory().file("flag");
  start(R"({"processes": {
    "main": {"command": "until test -e )"
        + flag + R"(; do sleep 0.02; done; exit 3",
             "restart": "never", "essential": true},
    "side": {"command": ["sleep", "1000"]}}})");
  auto side = pid_of("side");
  directory().write("flag", "x");
  BOOST_TEST(wait_for_end() == 1);
  BOOST_TEST(node_stderr().find("the essential process 'main' has ended for "
                                "good: exit 3")
             != std::string::npos);
  BOOST_TEST(!process_exists(side));
}

BOOST_AUTO_TEST_CASE(a_restart_and_a_stop_by_hand_do_not_end_the_node) {
  start(R"({"processes": {
    "main": {"command": ["sleep", "1000"], "restart": "always",
             "essential": true}}})");
  auto pid = pid_of("main");
  BOOST_TEST(ctl({"signal", "-s", "KILL", "main"}).code == 0);
  BOOST_TEST(wait_until([&] {
    auto now = show("main");
    return now["pid"].IsInt() && now["pid"].GetInt() != pid;
  }));
  BOOST_TEST(ctl({"stop", "main"}).code == 0);
  BOOST_TEST(ctl({"start", "main"}).code == 0);
  BOOST_TEST(status_of("main") == "running");
}

BOOST_AUTO_TEST_CASE(values_that_are_secret_show_nowhere) {
  start(R"({"processes": {
    "db": {"command": "echo got $PASSWORD; sleep 1000",
           "environment": {"PASSWORD": "s3cr3t", "USER": "app"},
           "secrets": ["PASSWORD"]}}})");
  BOOST_TEST(wait_until([&] { return log_of("db") == "got s3cr3t\n"; }));
  for (std::vector<std::string> verb : {std::vector<std::string>{"show", "db"},
                                        {"show", "--json", "db"},
                                        {"list", "--json"},
                                        {"why", "db"},
                                        {"why", "--json", "db"},
                                        {"status", "--json", "db"}}) {
    auto said = ctl(verb);
    BOOST_TEST(said.code == 0);
    BOOST_TEST(said.out.find("s3cr3t") == std::string::npos);
  }
  BOOST_TEST(ctl({"show", "db"}).out.find("PASSWORD=***") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
