#include <boost/test/unit_test.hpp>

#include <csignal>

#include "test/support/actor_world.hpp"

// A supervisor and its manager on the test clock, with a fake host.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct fixture : actor_world {
  fixture() { open(); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(supervision_on_the_test_clock, fixture)

BOOST_AUTO_TEST_CASE(a_defined_process_runs_and_is_answered_when_it_does) {
  host.spawn_at_once = false;
  auto answer = define("web");
  BOOST_TEST(!answer->has_value());
  BOOST_TEST(to_string(status_of("web")) == "starting");
  host.finish_spawn(host.last("web"));
  run();
  auto& outcome = value_of(answer);
  BOOST_TEST(outcome.changed);
  BOOST_TEST(to_string(outcome.process.status) == "running");
  BOOST_TEST(outcome.process.pid.value() == 1000);
}

BOOST_AUTO_TEST_CASE(the_intent_is_written_before_the_spawn) {
  storage->fail_next_appends(SIZE_MAX, 28 /* ENOSPC */);
  auto answer = define("web", simple_spec(restart_mode::never));
  BOOST_TEST((code_of(answer) == ec::storage_failed));
  BOOST_TEST(host.spawn_count("web") == 0u);
}

BOOST_AUTO_TEST_CASE(nothing_is_acknowledged_before_it_is_durable) {
  queue->hold = true;
  auto answer = define("web");
  BOOST_TEST(host.is_alive("web")); // the spawn does not wait for the disk
  BOOST_TEST(!answer->has_value());
  queue->hold = false;
  queue->release();
  run();
  BOOST_TEST(value_of(answer).changed);
}

BOOST_AUTO_TEST_CASE(starting_what_runs_changes_nothing) {
  define("web");
  auto again = start("web");
  BOOST_TEST(!value_of(again).changed);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(a_stop_sends_the_signal_and_answers_when_it_is_reaped) {
  define("web");
  host.obeys_term = false;
  auto answer = stop("web");
  BOOST_TEST(!answer->has_value());
  BOOST_TEST(host.last("web").signals.front() == SIGTERM);
  host.exit("web", 3);
  run();
  BOOST_TEST(value_of(answer).changed);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  BOOST_TEST(view("web").exit_code.value() == 3);
  BOOST_TEST((view("web").cause == cause::user));
}

BOOST_AUTO_TEST_CASE(a_stop_kills_when_the_grace_has_expired) {
  host.obeys_term = false;
  define("web");
  auto answer = stop("web");
  advance(9999ms);
  BOOST_TEST(!answer->has_value());
  advance(1ms);
  BOOST_TEST(value_of(answer).changed);
  BOOST_TEST(host.last("web").signals.back() == SIGKILL);
  BOOST_TEST(view("web").exit_signal.value() == "KILL");
  BOOST_TEST(to_string(status_of("web")) == "stopped");
}

BOOST_AUTO_TEST_CASE(a_forced_stop_kills_at_once) {
  host.obeys_term = false;
  define("web");
  BOOST_TEST(value_of(stop("web", true)).changed);
  BOOST_TEST(host.last("web").signals.size() == 1u);
  BOOST_TEST(host.last("web").signals.front() == SIGKILL);
}

BOOST_AUTO_TEST_CASE(two_stops_are_both_answered_and_a_third_changes_nothing) {
  host.obeys_term = false;
  define("web");
  auto first = stop("web");
  auto second = stop("web");
  host.exit("web", 0);
  run();
  BOOST_TEST(value_of(first).changed);
  BOOST_TEST(value_of(second).changed);
  BOOST_TEST(!value_of(stop("web")).changed);
}

BOOST_AUTO_TEST_CASE(a_stop_during_the_start_is_obeyed) {
  host.spawn_at_once = false;
  auto started = define("web");
  auto stopped = stop("web");
  BOOST_TEST((code_of(started) == ec::cancelled));
  BOOST_TEST(to_string(status_of("web")) == "stopping");
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  BOOST_TEST(host.alive_count() == 0u);
}

BOOST_AUTO_TEST_CASE(a_forced_stop_during_the_start_kills_what_begins) {
  host.spawn_at_once = false;
  host.obeys_term = false;
  define("web");
  auto stopped = stop("web", true);
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(host.last("web").signals.back() == SIGKILL);
}

BOOST_AUTO_TEST_CASE(a_stop_during_backoff_cancels_the_restart) {
  auto spec = simple_spec();
  spec.restart_delay = 5s;
  define("web", spec);
  host.exit("web", 1);
  run();
  BOOST_TEST(to_string(status_of("web")) == "backoff");
  BOOST_TEST(value_of(stop("web")).changed);
  advance(60s);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(a_start_while_it_stops_wins_over_the_stop) {
  host.obeys_term = false;
  define("web");
  auto stopped = stop("web");
  auto started = start("web");
  host.exit("web", 0);
  run();
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(value_of(started).changed);
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(host.copies_max == 1u);
}

BOOST_AUTO_TEST_CASE(a_stop_after_a_start_while_it_stops_wins_again) {
  host.obeys_term = false;
  define("web");
  stop("web");
  auto started = start("web");
  auto stopped = stop("web");
  host.exit("web", 0);
  run();
  BOOST_TEST((code_of(started) == ec::cancelled));
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
}

BOOST_AUTO_TEST_CASE(a_restart_ends_this_run_and_begins_another) {
  define("web");
  auto before = view("web").run_id;
  BOOST_TEST(value_of(restart("web")).changed);
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(view("web").run_id != before);
  BOOST_TEST(host.copies_max == 1u);
  BOOST_TEST(view("web").restart_count == 0); // nobody's failure
}

BOOST_AUTO_TEST_CASE(a_failure_restarts_at_once_then_backs_off) {
  define("web");
  host.exit("web", 1);
  run();
  advance(0ms);
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(view("web").restart_count == 1);
  host.exit("web", 1);
  run();
  BOOST_TEST(to_string(status_of("web")) == "backoff");
  advance(99ms);
  BOOST_TEST(host.spawn_count("web") == 2u);
  advance(1ms);
  BOOST_TEST(host.spawn_count("web") == 3u);
  BOOST_TEST((view("web").cause == cause::policy));
}

BOOST_AUTO_TEST_CASE(too_many_starts_end_in_failed_and_a_start_begins_anew) {
  define("web");
  for (int i = 0; i < 5; ++i) {
    advance(1s);
    host.exit("web", 1);
    run();
    advance(1s);
  }
  BOOST_TEST(to_string(status_of("web")) == "failed");
  BOOST_TEST(view("web").status_text == "gave up: 5 starts within 10s");
  BOOST_TEST(value_of(start("web")).changed);
  BOOST_TEST(to_string(status_of("web")) == "running");
}

BOOST_AUTO_TEST_CASE(a_start_that_no_keeper_makes_counts_for_no_limit) {
  auto spec = simple_spec(restart_mode::on_failure);
  spec.start_limit = {5, 1h};
  define("web", spec);
  host.spawn_at_once = false;
  host.exit("web", 1);
  run();
  advance(0ms);
  for (int i = 0; i < 10; ++i) {
    host.last("web").events->spawn_failed({ec::keeper_failed, "no keeper"});
    run();
    BOOST_TEST(to_string(status_of("web")) == "backoff");
    advance(30s);
  }
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST(to_string(status_of("web")) == "running");
}

BOOST_AUTO_TEST_CASE(success_is_the_end_under_on_failure_and_never_known_as_0) {
  define("job");
  host.exit("job", 0);
  run();
  BOOST_TEST(to_string(status_of("job")) == "stopped");
  BOOST_TEST(view("job").exit_code.value() == 0);
  define("lost");
  host.end(host.last("lost"), {exit_reason::lost, {}, {}});
  run();
  BOOST_TEST(!view("lost").exit_code.has_value());
  BOOST_TEST((view("lost").reason.value() == exit_reason::lost));
}

BOOST_AUTO_TEST_CASE(a_failed_spawn_is_told_with_its_reason_and_retried) {
  host.spawn_error = "spawn 'web': /opt/web: no such file or directory";
  auto answer = define("web");
  BOOST_TEST((code_of(answer) == ec::spawn_failed));
  BOOST_TEST((**answer).error().text.find("/opt/web: no such file")
             != std::string::npos);
  BOOST_TEST(to_string(status_of("web")) == "backoff");
  host.spawn_error.clear();
  advance(0ms);
  BOOST_TEST(to_string(status_of("web")) == "running");
}

BOOST_AUTO_TEST_CASE(a_group_that_outlives_its_leader_gets_its_grace) {
  host.leaves_group = true;
  define("web");
  auto answer = stop("web");
  BOOST_TEST(!answer->has_value());
  BOOST_TEST(to_string(status_of("web")) == "stopping");
  advance(1s);
  host.end_group(host.last("web"));
  run();
  BOOST_TEST(value_of(answer).changed);
  BOOST_TEST(view("web").exit_signal.value() == "TERM");
}

BOOST_AUTO_TEST_CASE(a_group_that_does_not_go_is_killed_after_the_grace) {
  host.leaves_group = true;
  define("web");
  auto answer = stop("web");
  advance(10s);
  BOOST_TEST(value_of(answer).changed);
  BOOST_TEST(host.last("web").signals.back() == SIGKILL);
  BOOST_TEST(!host.last("web").group);
}

BOOST_AUTO_TEST_CASE(kill_mode_process_leaves_the_group_alone) {
  host.leaves_group = true;
  auto spec = simple_spec();
  spec.shutdown.kill = kill_mode::process;
  define("web", spec);
  BOOST_TEST(value_of(stop("web")).changed);
  BOOST_TEST(host.last("web").group);
}

BOOST_AUTO_TEST_CASE(an_exit_is_acknowledged_only_when_it_is_durable) {
  define("web", simple_spec(restart_mode::never));
  auto run_id = view("web").run_id;
  queue->hold = true;
  host.exit("web", 0);
  run();
  advance(50ms);
  BOOST_TEST(host.acknowledged.count(run_id) == 0u);
  queue->hold = false;
  queue->release();
  run();
  BOOST_TEST(host.acknowledged.count(run_id) == 1u);
}

BOOST_AUTO_TEST_CASE(a_signal_goes_to_a_live_process_only) {
  define("web");
  auto sent = ask<change_outcome>(signal_atom::value, std::string{"web"},
                                  SIGUSR1, request_context{});
  BOOST_TEST(value_of(sent).changed);
  BOOST_TEST(host.last("web").signals.back() == SIGUSR1);
  stop("web");
  auto refused = ask<change_outcome>(signal_atom::value, std::string{"web"},
                                     SIGUSR1, request_context{});
  BOOST_TEST((code_of(refused) == ec::not_running));
}

// Nobody was there for it: what is born then gets its own time to stop.
BOOST_AUTO_TEST_CASE(a_kill_before_the_birth_is_not_waited_for) {
  host.spawn_at_once = false;
  host.obeys_term = false;
  auto spec = simple_spec();
  spec.shutdown.timeout = 5s;
  define("web", spec);
  stop("web", true);
  stop("web", true); // SIGKILL, given up on after 10 s
  restart("web");    // no haste any more
  run();
  advance(8s);
  host.spawn_at_once = true;
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST(host.last("web").signals.back() == SIGCONT); // after SIGTERM
  advance(3s);
  BOOST_TEST((status_of("web") == status::stopping));
  BOOST_TEST(view("web").status_text == "");
  advance(2s);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(host.spawn_count("web") == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
