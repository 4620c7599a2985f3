#include <boost/test/unit_test.hpp>

#include <csignal>

#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;
using dc = dependency_condition;

namespace {

struct dependency_world : actor_world {
  dependency_world() { open(); }

  static process_spec needing(std::map<std::string, dependency> needs) {
    auto spec = simple_spec();
    spec.depends_on = std::move(needs);
    return spec;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(dependencies, dependency_world)

BOOST_AUTO_TEST_CASE(a_start_waits_until_its_dependency_is_up) {
  host.spawn_at_once = false;
  define("db");
  auto web = define("web", needing({{"db", {}}}));
  BOOST_TEST((status_of("web") == status::pending));
  BOOST_TEST(view("web").status_text == "waits for db (starting)");
  BOOST_TEST(!web->has_value());
  BOOST_TEST(host.spawn_count("web") == 0u);
  host.finish_spawn(host.last("db"));
  run();
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST((view("web").cause == cause::dependency));
  BOOST_TEST((code_of(web) == ec::none));
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_start_is_told_when_nothing_comes) {
  auto spec = simple_spec(restart_mode::never);
  define("db", spec);
  host.exit("db", 1);
  run();
  host.spawn_error = "spawn 'db': refused";
  auto web = define("web", needing({{"db", {}}}));
  BOOST_TEST((code_of(web) == ec::not_running));
  BOOST_TEST((**web).error().text
             == "start 'web': it waits for db (failed); it starts when that is "
                "there");
  BOOST_TEST(view("web").status_text == "waits for db (failed)");
  host.spawn_error.clear();
  start("db");
  BOOST_TEST((status_of("web") == status::running));
}

BOOST_AUTO_TEST_CASE(a_start_brings_what_it_needs_unless_a_person_stopped_it) {
  define("a", simple_spec(), false);
  define("b", needing({{"a", {}}}), false);
  define("c", needing({{"b", {}}}), false);
  start("c");
  for (auto id : {"a", "b", "c"})
    BOOST_TEST((status_of(id) == status::running), id);
  BOOST_TEST((view("a").cause == cause::dependency));
  stop("a");
  stop("c");
  stop("b");
  auto again = start("c");
  BOOST_TEST((code_of(again) == ec::not_running));
  BOOST_TEST((status_of("a") == status::stopped));
  BOOST_TEST(view("c").status_text == "waits for b (stopped)");
}

BOOST_AUTO_TEST_CASE(completed_is_an_end_by_itself_with_success) {
  define("job", simple_spec(restart_mode::never));
  define("web", needing({{"job", {dc::completed}}}));
  BOOST_TEST((status_of("web") == status::pending));
  host.exit("job", 0);
  run();
  BOOST_TEST((status_of("web") == status::running));
}

BOOST_AUTO_TEST_CASE(what_was_stopped_has_not_completed) {
  auto spec = simple_spec();
  spec.success_signals = {SIGTERM};
  define("db", spec);
  define("web", needing({{"db", {}}}), false);
  stop("db"); // its end counts as success
  start("web");
  BOOST_TEST((status_of("web") == status::pending));
}

BOOST_AUTO_TEST_CASE(a_new_run_of_a_dependency_restarts_those_who_ask_for_it) {
  define("db");
  define("web", needing({{"db", {dc::started, true, false}}}));
  define("log", needing({{"db", {}}}));
  restart("db");
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(host.spawn_count("log") == 1u);
  BOOST_TEST((view("web").cause == cause::dependency));
}

BOOST_AUTO_TEST_CASE(a_stop_takes_along_who_asks_for_it_and_first) {
  define("db");
  define("web", needing({{"db", {dc::started, false, true}}}));
  define("log", needing({{"db", {}}}));
  host.obeys_term = false;
  auto stopped = stop("db");
  BOOST_TEST(host.last("web").signals.size() > 0u);
  BOOST_TEST(host.last("db").signals.empty());
  host.end(host.last("web"), {exit_reason::exited, 0, {}});
  run();
  host.end(host.last("db"), {exit_reason::exited, 0, {}});
  run();
  BOOST_TEST((code_of(stopped) == ec::none));
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST((status_of("log") == status::running));
}

BOOST_AUTO_TEST_CASE(a_group_and_a_node_go_down_in_reverse) {
  define("db");
  define("app", needing({{"db", {}}}));
  define("web", needing({{"app", {}}}));
  host.obeys_term = false;
  auto down = ask<bool>(shutdown_atom::value, false, false);
  for (auto id : {"web", "app", "db"}) {
    BOOST_TEST(host.last(id).signals.front() == SIGTERM, id);
    for (auto other : {"web", "app", "db"})
      if (std::string{other} != id && host.is_alive(other))
        BOOST_TEST(host.last(other).signals.empty(), other);
    host.end(host.last(id), {exit_reason::exited, 0, {}});
    run();
  }
  BOOST_TEST(value_of(down));
}

BOOST_AUTO_TEST_CASE(unknown_names_and_cycles_are_refused) {
  auto unknown = define("web", needing({{"db", {}}}));
  BOOST_TEST((code_of(unknown) == ec::invalid_argument));
  define("a", simple_spec(), false);
  define("b", needing({{"a", {}}}), false);
  auto cycle = define("a", needing({{"b", {}}}), false);
  BOOST_TEST((code_of(cycle) == ec::invalid_argument));
  BOOST_TEST((**cycle).error().text == "define 'a': a cycle: a -> b -> a");
}

BOOST_AUTO_TEST_CASE(pending_ones_go_on_waiting_after_a_crash) {
  host.spawn_at_once = false;
  define("db");
  define("web", needing({{"db", {}}}));
  crash();
  host = fake_host{};
  host.now =
    timestamp{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};
  host.spawn_at_once = false;
  open();
  BOOST_TEST((status_of("web") == status::pending));
  BOOST_TEST(host.spawn_count("web") == 0u);
  host.finish_spawn(host.last("db"));
  run();
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(a_policy_restart_waits_for_its_dependency_too) {
  auto spec = simple_spec(restart_mode::never);
  define("db", spec);
  define("web", needing({{"db", {}}}));
  host.exit("db", 1);
  run();
  host.exit("web", 1);
  run();
  advance(1s);
  BOOST_TEST((status_of("web") == status::pending));
  BOOST_TEST(host.spawn_count("web") == 1u);
  start("db");
  BOOST_TEST((status_of("web") == status::running));
}

BOOST_AUTO_TEST_SUITE_END()
