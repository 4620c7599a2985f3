#include <boost/test/unit_test.hpp>

#include "test/support/actor_world.hpp"

// Ended runs and who asked for what; requests that come twice.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct fixture : actor_world {
  fixture() { open(); }

  std::vector<ended_run> history(const std::string& id, uint64_t count = 100) {
    return value_of(
      ask<std::vector<ended_run>>(history_atom::value, id, count));
  }

  static request_context by_client(const std::string& request = {}) {
    request_context by;
    by.uid = 1000;
    by.pid = 5121;
    by.program = "pmctl";
    by.correlation_id = "7f3a";
    by.request_id = request;
    return by;
  }

  void crash_and_open() {
    crash();
    storage = storage->after_crash(false);
    open();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_history, fixture)

BOOST_AUTO_TEST_CASE(it_says_how_each_run_ended_and_who_asked) {
  define("web", simple_spec(restart_mode::on_failure));
  host.exit("web", 3);
  run();
  advance(1s);
  auto stopped = ask<change_outcome>(stop_atom::value, std::string{"web"}, true,
                                     by_client());
  BOOST_TEST((code_of(stopped) == ec::none));
  auto runs = history("web");
  BOOST_REQUIRE(runs.size() == 2u);
  auto& last = runs[0];
  BOOST_TEST(to_string(last.exit.reason) == "signaled");
  BOOST_TEST(to_string(last.started.cause) == "policy");
  BOOST_REQUIRE(last.ended);
  BOOST_TEST(last.ended->uid == 1000);
  BOOST_TEST(last.ended->pid == 5121);
  BOOST_TEST(last.ended->program == "pmctl");
  BOOST_TEST(last.ended->correlation_id == "7f3a");
  auto& first = runs[1];
  BOOST_TEST(first.exit.code.value() == 3);
  BOOST_TEST(!first.ended);
  BOOST_TEST(to_string(first.started.cause) == "user");
  BOOST_TEST(first.pid == 1000);
}

BOOST_AUTO_TEST_CASE(it_outlives_a_crash_a_snapshot_and_the_process) {
  define("web", simple_spec(restart_mode::never));
  host.exit("web", 3);
  run();
  crash_and_open();
  BOOST_TEST(history("web").size() == 1u);
  start("web");
  host.exit("web", 4);
  run();
  BOOST_TEST((code_of(ask<uint64_t>(save_atom::value)) == ec::none));
  ask<change_outcome>(remove_atom::value, std::string{"web"}, false,
                      by_client());
  crash_and_open();
  auto runs = history("web");
  BOOST_REQUIRE(runs.size() == 2u);
  BOOST_TEST(runs[0].exit.code.value() == 4);
  BOOST_TEST(runs[1].exit.code.value() == 3);
}

BOOST_AUTO_TEST_CASE(a_run_that_never_began_is_in_it) {
  host.spawn_error = "no such file";
  define("web", simple_spec(restart_mode::never));
  auto runs = history("web");
  BOOST_REQUIRE(runs.size() == 1u);
  BOOST_TEST(to_string(runs[0].exit.reason) == "spawn_failed");
  BOOST_TEST(runs[0].pid == 0);
  BOOST_TEST(!runs[0].text.empty());
}

BOOST_AUTO_TEST_CASE(nobody_has_a_history_of_a_name_that_never_was) {
  auto answer = ask<std::vector<ended_run>>(history_atom::value,
                                            std::string{"web"}, uint64_t{5});
  BOOST_TEST((code_of(answer) == ec::no_such_process));
}

BOOST_AUTO_TEST_CASE(reasons_tell_who_asked_for_what_is_now) {
  ask<change_outcome>(
    define_atom::value,
    process_definition{
      "web", origin::adhoc, {}, simple_spec(restart_mode::never)},
    true, by_client());
  auto why = value_of(
    ask<process_reasons>(reasons_atom::value, std::string{"web"}, uint64_t{5}));
  BOOST_TEST(to_string(why.process.status) == "running");
  BOOST_TEST(why.run_asked.pid == 5121);
  BOOST_TEST(why.asked.program == "pmctl");
  BOOST_TEST(why.history.empty());
}

BOOST_AUTO_TEST_CASE(a_request_that_comes_again_is_not_acted_upon_twice) {
  define("web");
  auto again = [&] {
    return ask<change_outcome>(restart_atom::value, std::string{"web"}, true,
                               by_client("request-1"));
  };
  BOOST_TEST((code_of(again()) == ec::none));
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(!value_of(again()).changed);
  BOOST_TEST(host.spawn_count("web") == 2u);
  auto run = view("web").run_id;
  crash();
  storage = storage->after_crash(false);
  manager_start from;
  auto& child = host.last("web");
  from.held.push_back({child.request.run_id, child.who, {}});
  open(std::move(from));
  BOOST_TEST(!value_of(again()).changed);
  BOOST_TEST(view("web").run_id == run);
  BOOST_TEST(host.last("web").signals.empty());
}

BOOST_AUTO_TEST_CASE(a_request_that_was_refused_may_come_again) {
  define("web");
  stop("web", true);
  auto ask_start = [&] {
    return ask<change_outcome>(start_atom::value, std::string{"web"},
                               by_client("request-2"));
  };
  storage->fail_next_appends(SIZE_MAX, 28);
  BOOST_TEST((code_of(ask_start()) == ec::storage_failed));
  storage->fail_next_appends(0, 0);
  BOOST_TEST(value_of(ask_start()).changed);
  BOOST_TEST(host.is_alive("web"));
}

BOOST_AUTO_TEST_SUITE_END()
