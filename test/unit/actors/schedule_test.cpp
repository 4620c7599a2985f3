#include <boost/test/unit_test.hpp>

#include <csignal>

#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct schedule_world : actor_world {
  schedule_world() { open(); }

  static process_spec each(milliseconds interval,
                           overlap_policy overlap = overlap_policy::skip) {
    auto spec = simple_spec();
    spec.restart = restart_mode::never;
    spec.schedule.emplace();
    spec.schedule->interval = interval;
    spec.schedule->overlap = overlap;
    return spec;
  }

  // As a configuration defines it: nobody asks for a run.
  void configure(const process_spec& etl, const std::string& needed = {}) {
    accepted_config config;
    for (auto& id : {needed, std::string{"etl"}}) {
      process_definition definition;
      definition.handle_id = id;
      definition.origin = origin::config;
      definition.spec = id == "etl" ? etl : simple_spec();
      if (!id.empty())
        config.processes.push_back(definition);
    }
    auto done = ask<apply_report>(apply_atom::value, config, request_context{});
    BOOST_TEST((code_of(done) == ec::none));
  }

  // The node dies, and another one comes that much later.
  void come_back_after(milliseconds away) {
    manager_start from;
    if (host.is_alive("etl")) {
      held_run held;
      held.run_id = host.last("etl").request.run_id;
      held.identity = host.last("etl").who;
      from.held = {held};
    }
    crash();
    host.now += away;
    open(from);
  }

  size_t runs() { return host.spawn_count("etl"); }

  void end(int code = 0) {
    host.exit("etl", code);
    run();
  }

  bool was_told(const std::string& part) {
    auto all = ask<std::vector<process_event>>(events_atom::value, uint64_t{0});
    for (auto& x : value_of(all))
      if (x.text.find(part) != x.text.npos)
        return true;
    return false;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(schedules, schedule_world)

BOOST_AUTO_TEST_CASE(it_runs_at_once_and_then_every_interval) {
  configure(each(10min));
  BOOST_TEST((status_of("etl") == status::running));
  BOOST_TEST((view("etl").cause == cause::schedule));
  auto next = view("etl").next_run_at;
  BOOST_REQUIRE(next);
  advance(5min);
  end(0);
  auto x = view("etl");
  BOOST_TEST((x.status == status::pending));
  BOOST_TEST(x.exit_code.value() == 0);
  BOOST_TEST(x.status_text
             == "next run at " + format_timestamp(*next)
                  + "; the last one: exit 0");
  advance(4min);
  BOOST_TEST(runs() == 1u);
  advance(1min + 1s);
  BOOST_TEST(runs() == 2u);
  BOOST_TEST((status_of("etl") == status::running));
}

BOOST_AUTO_TEST_CASE(a_cron_run_waits_for_its_time) {
  auto spec = each(1h);
  spec.schedule->interval.reset();
  spec.schedule->cron = "0 * * * *";
  configure(spec);
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(runs() == 0u);
  advance(59min);
  advance(61s);
  BOOST_TEST(runs() == 1u);
}

BOOST_AUTO_TEST_CASE(
  a_failed_run_is_tried_again_by_the_policy_within_its_time) {
  auto spec = each(10min);
  spec.restart = restart_mode::on_failure;
  spec.restart_delay = 1s;
  spec.start_limit = {2, 1min};
  configure(spec);
  end(3);
  BOOST_TEST((status_of("etl") == status::backoff));
  advance(1s);
  BOOST_TEST(runs() == 2u);
  end(3);
  auto x = view("etl");
  BOOST_TEST((x.status == status::pending));
  BOOST_TEST(x.status_text.ends_with(
    "; the last one: exit 3 (gave up: 2 starts within 1m)"));
  advance(10min);
  BOOST_TEST(runs() == 3u); // with a budget of its own
  end(3);
  BOOST_TEST((status_of("etl") == status::backoff));
}

BOOST_AUTO_TEST_CASE(a_spawn_that_fails_waits_for_the_next_time) {
  host.spawn_error = "no such program";
  configure(each(10min));
  host.spawn_error.clear();
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(was_told("no such program"));
  advance(10min + 1s);
  BOOST_TEST((status_of("etl") == status::running));
}

BOOST_AUTO_TEST_CASE(skip_leaves_a_run_out_and_says_so) {
  configure(each(10min));
  advance(10min + 1s);
  BOOST_TEST(runs() == 1u);
  BOOST_TEST(was_told("was left out: the one before is running"));
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
  advance(10min);
  BOOST_TEST(runs() == 2u);
}

BOOST_AUTO_TEST_CASE(queue_runs_once_right_after) {
  configure(each(10min, overlap_policy::queue));
  advance(10min + 1s);
  advance(10min + 1s);
  BOOST_TEST(runs() == 1u);
  end(0);
  BOOST_TEST(runs() == 2u);
  BOOST_TEST((status_of("etl") == status::running));
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
}

BOOST_AUTO_TEST_CASE(a_queued_run_outlives_the_node) {
  configure(each(10min, overlap_policy::queue));
  advance(10min + 1s);
  come_back_after(1s);
  BOOST_TEST((status_of("etl") == status::running));
  auto before = runs();
  end(0);
  BOOST_TEST(runs() == before + 1);
}

BOOST_AUTO_TEST_CASE(replace_ends_the_one_before) {
  configure(each(10min, overlap_policy::replace));
  host.obeys_term = false;
  advance(10min + 1s);
  BOOST_TEST((status_of("etl") == status::stopping));
  end(0);
  BOOST_TEST(runs() == 2u);
  BOOST_TEST((status_of("etl") == status::running));
}

BOOST_AUTO_TEST_CASE(a_start_by_hand_runs_now_and_a_stop_ends_the_schedule) {
  configure(each(10min));
  end(0);
  start("etl");
  BOOST_TEST(runs() == 2u);
  BOOST_TEST((view("etl").cause == cause::user));
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
  stop("etl");
  BOOST_TEST((status_of("etl") == status::stopped));
  BOOST_TEST(!view("etl").next_run_at);
  advance(1h);
  BOOST_TEST(runs() == 2u);
  start("etl");
  BOOST_TEST(runs() == 3u);
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
}

// It is the first run of its interval, not one beside it.
BOOST_AUTO_TEST_CASE(a_start_by_hand_after_a_stop_is_one_run) {
  configure(each(10min, overlap_policy::queue));
  stop("etl");
  start("etl");
  BOOST_TEST(runs() == 2u);
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(runs() == 2u);
  BOOST_TEST(!was_told("left out"));
  advance(10min + 1s);
  BOOST_TEST(runs() == 3u);
}

BOOST_AUTO_TEST_CASE(a_restart_of_what_is_stopping_keeps_its_schedule) {
  configure(each(10min));
  host.obeys_term = false;
  stop("etl");
  restart("etl");
  host.obeys_term = true;
  end(0);
  BOOST_TEST(runs() == 2u);
  end(0);
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(runs() == 2u);
  BOOST_TEST(view("etl").next_run_at.has_value());
}

// What the registry keeps can be read again.
BOOST_AUTO_TEST_CASE(a_schedule_without_a_time_waits_and_outlives_the_node) {
  auto spec = each(1h);
  spec.schedule->interval.reset();
  spec.schedule->cron = "0 * * * *";
  spec.schedule->timezone = "Nowhere/Land";
  configure(spec);
  come_back_after(1h);
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(view("etl").status_text == "waits for its schedule");
  BOOST_TEST(runs() == 0u);
}

BOOST_AUTO_TEST_CASE(a_stop_of_a_run_stays_a_stop) {
  configure(each(10min));
  stop("etl");
  BOOST_TEST((status_of("etl") == status::stopped));
  advance(1h);
  BOOST_TEST(runs() == 1u);
}

BOOST_AUTO_TEST_CASE(a_node_that_comes_back_in_time_leaves_nothing_out) {
  configure(each(10min));
  end(0);
  come_back_after(10min + 20s);
  BOOST_TEST(runs() == 2u);
}

BOOST_AUTO_TEST_CASE(a_node_that_was_away_for_long_goes_by_what_is_said) {
  for (auto missed : {missed_policy::skip, missed_policy::run_once}) {
    auto spec = each(10min);
    spec.schedule->missed = missed;
    configure(spec);
    if (status_of("etl") == status::running)
      end(0);
    auto before = runs();
    come_back_after(35min);
    auto made_up = missed == missed_policy::run_once ? 1u : 0u;
    BOOST_TEST(runs() == before + made_up);
    BOOST_TEST(was_told("had passed when it could begin") == (made_up == 0));
  }
}

BOOST_AUTO_TEST_CASE(a_new_schedule_needs_no_restart) {
  configure(each(10min));
  auto pid = view("etl").pid;
  configure(each(1min));
  BOOST_TEST((view("etl").pid == pid));
  end(0);
  advance(61s);
  BOOST_TEST(runs() == 2u);
  end(0);
  auto spec = each(1min);
  spec.schedule.reset();
  configure(spec);
  BOOST_TEST((status_of("etl") == status::running)); // it is wanted up
  BOOST_TEST(!view("etl").next_run_at);
}

BOOST_AUTO_TEST_CASE(a_due_run_waits_for_what_it_needs) {
  auto spec = each(10min);
  spec.depends_on = {{"db", {dependency_condition::started}}};
  configure(spec, "db");
  BOOST_TEST((status_of("etl") == status::running));
  end(0);
  stop("db");
  advance(10min + 1s);
  BOOST_TEST((status_of("etl") == status::pending));
  BOOST_TEST(view("etl").status_text == "waits for db (stopped)");
  start("db");
  BOOST_TEST(runs() == 2u);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_over_is_what_wait_waits_for) {
  configure(each(10min));
  auto waiting =
    ask<process_view>(wait_atom::value, std::string{"etl"}, wait_target::ended);
  BOOST_TEST(!waiting->has_value());
  end(4);
  BOOST_TEST(value_of(waiting).exit_code.value() == 4);
}

BOOST_AUTO_TEST_SUITE_END()
