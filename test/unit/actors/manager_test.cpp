#include <boost/test/unit_test.hpp>

#include <csignal>

#include "test/support/actor_world.hpp"

// Routing, looking, removing, shutting down; and what comes back after a crash.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct fixture : actor_world {
  fixture() { open(); }

  std::vector<std::string> names(list_filter filter = {}) {
    std::vector<std::string> result;
    auto views = ask<std::vector<process_view>>(list_atom::value, filter);
    for (auto& view : value_of(views))
      result.push_back(view.handle_id);
    return result;
  }

  answer<change_outcome> remove(const std::string& id, bool force = false) {
    return ask<change_outcome>(remove_atom::value, id, force,
                               request_context{});
  }

  void run_actors() { actor_world::run(); }

  answer<process_result> run(run_request what) {
    what.spec = simple_spec();
    return ask<process_result>(run_atom::value, what, output_listener{},
                               request_context{});
  }

  // Ends this node as a crash would and begins another one on what the storage
  // holds, with a new host and what a keeper would have told.
  void reopen(manager_start from = {}) {
    crash();
    storage = storage->after_crash(false);
    auto now = host.now;
    host = fake_host{};
    host.now = now;
    open(std::move(from));
  }

  held_run held(const std::string& id, std::optional<run_exit> ended = {}) {
    auto x = view(id);
    return {run_id::parse(x.run_id).value(),
            {x.pid.value_or(0), 42, "boot"},
            std::move(ended)};
  }
};

using strings = std::vector<std::string>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_manager, fixture)

BOOST_AUTO_TEST_CASE(list_is_sorted_and_filtered) {
  auto core = simple_spec();
  core.labels = {{"team", "core"}};
  define("b", core);
  define("a");
  define("c");
  stop("c");
  BOOST_TEST((names() == strings{"a", "b", "c"}));
  BOOST_TEST((names({{"[bc]"}, {}, {}, {}}) == strings{"b", "c"}));
  BOOST_TEST((names({{}, {}, status::stopped, {}}) == strings{"c"}));
  BOOST_TEST((names({{}, {}, {}, {{"team", "core"}}}) == strings{"b"}));
  BOOST_TEST((names({{}, kind::python, {}, {}}) == strings{}));
  auto unknown = ask<std::vector<process_view>>(
    list_atom::value, list_filter{{"zz"}, {}, {}, {}});
  BOOST_TEST((code_of(unknown) == ec::no_such_process));
}

BOOST_AUTO_TEST_CASE(a_name_means_its_replicas_and_only_these) {
  auto spec = simple_spec();
  for (int i = 1; i <= 2; ++i) {
    spec.replica = i;
    define("web." + std::to_string(i), spec);
  }
  define("web.x");
  auto ids = ask<strings>(resolve_atom::value, strings{"web", "nobody"});
  BOOST_TEST((value_of(ids) == strings{"web.1", "web.2", "nobody"}));
}

BOOST_AUTO_TEST_CASE(a_bad_name_or_spec_is_refused_with_its_value) {
  auto refused = define("no/name");
  BOOST_TEST((code_of(refused) == ec::invalid_argument));
  BOOST_TEST((**refused).error().text.find("'no/name'") == 0u);
  process_spec spec;
  spec.command = {""};
  BOOST_TEST((code_of(define("web", spec)) == ec::invalid_argument));
  BOOST_TEST(names().empty());
}

BOOST_AUTO_TEST_CASE(a_live_process_keeps_its_definition) {
  define("web");
  BOOST_TEST((code_of(define("web")) == ec::already_running));
  stop("web");
  auto other = simple_spec();
  other.command = {"/bin/other"};
  BOOST_TEST(value_of(define("web", other)).changed);
  BOOST_TEST(view("web").command.at(0) == "/bin/other");
}

BOOST_AUTO_TEST_CASE(remove_refuses_what_is_alive_unless_forced) {
  define("web");
  BOOST_TEST((code_of(remove("web")) == ec::already_running));
  BOOST_TEST(value_of(remove("web", true)).changed);
  BOOST_TEST(names().empty());
  BOOST_TEST(host.alive_count() == 0u);
  BOOST_TEST((code_of(start("web")) == ec::no_such_process));
  BOOST_TEST(value_of(define("web")).changed); // the name is free again
}

BOOST_AUTO_TEST_CASE(cleanup_takes_what_is_neither_wanted_nor_alive) {
  define("up");
  define("done");
  define("down");
  host.exit("done", 0);
  run_actors();
  stop("down");
  auto removed = ask<uint64_t>(cleanup_atom::value, request_context{});
  BOOST_TEST(value_of(removed) == 2u);
  BOOST_TEST((names() == strings{"up"}));
}

BOOST_AUTO_TEST_CASE(wait_answers_when_it_is_so) {
  define("web");
  auto ended =
    ask<process_view>(wait_atom::value, std::string{"web"}, wait_target::ended);
  BOOST_TEST(!ended->has_value());
  auto running = ask<process_view>(wait_atom::value, std::string{"web"},
                                   wait_target::running);
  BOOST_TEST(to_string(value_of(running).status) == "running");
  stop("web");
  BOOST_TEST(to_string(value_of(ended).status) == "stopped");
}

BOOST_AUTO_TEST_CASE(a_wait_for_what_is_removed_is_answered_too) {
  define("web");
  stop("web");
  auto running = ask<process_view>(wait_atom::value, std::string{"web"},
                                   wait_target::running);
  remove("web");
  BOOST_TEST((code_of(running) == ec::no_such_process));
}

BOOST_AUTO_TEST_CASE(a_run_gives_its_result_and_leaves_no_record) {
  auto answer = run({});
  BOOST_TEST(names().size() == 1u);
  auto id = names().at(0);
  BOOST_TEST(id.find("run-") == 0u);
  host.exit(id, 4);
  run_actors();
  auto& result = value_of(answer);
  BOOST_TEST(result.handle == id);
  BOOST_TEST(result.exit.code.value() == 4);
  BOOST_TEST(!result.success());
  BOOST_TEST(names().empty());
  BOOST_TEST(store->records().empty());
  advance(50ms); // nobody waits for this one
  BOOST_TEST(host.acknowledged.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_run_that_takes_too_long_ends_with_reason_timeout) {
  host.obeys_term = false;
  run_request what;
  what.handle_id = "slow";
  what.timeout = 5s;
  auto answer = run(what);
  advance(5s);
  BOOST_TEST(host.last("slow").signals.front() == SIGTERM);
  advance(10s);
  BOOST_TEST((value_of(answer).exit.reason == exit_reason::timeout));
}

BOOST_AUTO_TEST_CASE(the_time_of_a_run_goes_on_with_the_next_node) {
  run_request what;
  what.handle_id = "slow";
  what.timeout = 5s;
  run(what);
  advance(3s);
  manager_start from;
  from.held = {held("slow")};
  reopen(from);
  advance(1900ms);
  BOOST_TEST(host.last("slow").signals.empty());
  advance(100ms);
  BOOST_TEST(host.last("slow").signals.front() == SIGTERM);
  BOOST_TEST(names().empty()); // its client is gone
}

BOOST_AUTO_TEST_CASE(a_run_that_cannot_begin_is_an_error_and_leaves_no_record) {
  host.spawn_error = "spawn 'x': nope";
  auto answer = run({});
  BOOST_TEST((code_of(answer) == ec::spawn_failed));
  BOOST_TEST(names().empty());
}

BOOST_AUTO_TEST_CASE(events_are_numbered_without_gaps) {
  define("web");
  stop("web");
  auto answer =
    ask<std::vector<process_event>>(events_atom::value, uint64_t{0});
  auto& events = value_of(answer);
  strings steps;
  for (size_t i = 0; i < events.size(); ++i) {
    BOOST_TEST(events[i].seq == i + 1);
    steps.emplace_back(to_string(events[i].to));
  }
  BOOST_TEST((steps == strings{"starting", "running", "stopping", "stopped"}));
  auto later = ask<std::vector<process_event>>(events_atom::value, uint64_t{3});
  BOOST_TEST(value_of(later).size() == 1u);
}

BOOST_AUTO_TEST_CASE(shutdown_ends_all_and_starts_nothing_more) {
  define("a");
  define("b");
  auto down = ask<bool>(shutdown_atom::value, false, false);
  BOOST_TEST(value_of(down));
  BOOST_TEST(host.alive_count() == 0u);
  BOOST_TEST((code_of(start("a")) == ec::shutting_down));
  BOOST_TEST(view("a").wanted); // the next node brings it up again
  reopen();
  BOOST_TEST(to_string(status_of("a")) == "running");
}

BOOST_AUTO_TEST_CASE(a_second_shutdown_hurries_the_first) {
  host.obeys_term = false;
  define("a");
  auto down = ask<bool>(shutdown_atom::value, false, false);
  BOOST_TEST(!down->has_value());
  auto hurried = ask<bool>(shutdown_atom::value, false, true);
  BOOST_TEST(value_of(down));
  BOOST_TEST(value_of(hurried));
}

// -- after a crash
// --------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_run_that_lives_is_adopted_and_not_started_again) {
  define("web");
  manager_start from;
  from.held = {held("web")};
  auto before = view("web");
  reopen(from);
  BOOST_TEST((host.adopted == strings{"web"}));
  BOOST_TEST(view("web").run_id == before.run_id);
  BOOST_TEST(view("web").pid.value() == before.pid.value());
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(host.spawn_count("web") == 1u); // the adopted one
  BOOST_TEST(value_of(stop("web")).changed);
}

BOOST_AUTO_TEST_CASE(
  a_run_that_the_keeper_does_not_know_is_lost_and_restarts_once) {
  define("web");
  reopen();
  BOOST_TEST((view("web").reason.value() == exit_reason::lost));
  BOOST_TEST(!view("web").exit_code.has_value());
  advance(0ms);
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(host.spawn_count("web") == 1u);
  BOOST_TEST(view("web").restart_count == 1);
}

BOOST_AUTO_TEST_CASE(an_end_that_was_recorded_but_not_acknowledged_is_now) {
  define("job", simple_spec(restart_mode::never));
  auto live = held("job");
  host.exit("job", 5);
  run_actors();
  manager_start from;
  from.held = {live};
  from.held[0].ended = run_exit{};
  reopen(from);
  advance(50ms);
  BOOST_TEST(host.acknowledged.count(live.run_id.str()) == 1u);
  BOOST_TEST(view("job").exit_code.value() == 5);
}

BOOST_AUTO_TEST_CASE(a_backoff_goes_on_where_it_was) {
  auto spec = simple_spec();
  spec.restart_delay = 10s;
  define("web", spec);
  host.exit("web", 1);
  run_actors();
  advance(4s);
  reopen();
  BOOST_TEST(to_string(status_of("web")) == "backoff");
  advance(5s);
  BOOST_TEST(host.spawn_count("web") == 0u);
  advance(1s);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(an_intent_that_was_never_spawned_begins) {
  host.spawn_at_once = false;
  define("web");
  reopen();
  BOOST_TEST(to_string(status_of("web")) == "running");
  BOOST_TEST(host.copies_max == 1u);
}

BOOST_AUTO_TEST_CASE(a_stop_that_was_under_way_is_finished) {
  host.obeys_term = false;
  define("web");
  stop("web");
  manager_start from;
  from.held = {held("web")};
  reopen(from);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  BOOST_TEST(host.alive_count() == 0u);
}

BOOST_AUTO_TEST_CASE(
  the_configuration_wins_over_the_record_but_not_over_a_stop) {
  manager_start from;
  from.has_config = true;
  from.fresh = true;
  for (auto* id : {"kept", "gone", "held"}) {
    process_definition x;
    x.handle_id = id;
    x.origin = origin::config;
    x.spec = simple_spec();
    from.configured.push_back(x);
  }
  reopen(from);
  BOOST_TEST((names() == strings{"gone", "held", "kept"}));
  stop("held");
  std::erase_if(from.configured, [](auto& x) { return x.handle_id == "gone"; });
  define("adhoc");
  reopen(from);
  advance(0ms);
  BOOST_TEST((names() == strings{"adhoc", "held", "kept"}));
  BOOST_TEST(to_string(status_of("held")) == "stopped");
  BOOST_TEST(to_string(status_of("kept")) == "running");
}

BOOST_AUTO_TEST_SUITE_END()
