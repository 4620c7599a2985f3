#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>

#include <pm/json.hpp>

#include "test/support/actor_world.hpp"

// Stops step by step, configurations, replicas.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct apply_world : actor_world {
  apply_world() { open(); }

  static process_definition configured(const std::string& id,
                                       process_spec spec = simple_spec()) {
    process_definition definition;
    definition.handle_id = id;
    definition.origin = origin::config;
    definition.spec = std::move(spec);
    return definition;
  }

  answer<apply_report> apply(std::vector<process_definition> processes,
                             int starts_max = 0) {
    accepted_config config;
    config.path = "/etc/x.json";
    config.start_concurrency_max = starts_max;
    config.processes = std::move(processes);
    return ask<apply_report>(apply_atom::value, config, request_context{});
  }

  accepted_config kept() {
    auto text = storage->read(accepted_config_name);
    BOOST_REQUIRE((text && *text));
    return from_json<accepted_config>(**text).value();
  }

  // What the next node begins with when an apply was cut off.
  manager_start after_a_crash(const std::vector<std::string>& alive) {
    manager_start from;
    from.accepted = kept();
    from.configured = from.accepted.processes;
    from.has_config = from.is_half_applied = true;
    for (auto& id : alive)
      from.held.push_back(
        {host.last(id).request.run_id, host.last(id).who, std::nullopt});
    return from;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(stops_and_configurations, apply_world)

BOOST_AUTO_TEST_CASE(so_many_starts_at_once_and_no_more) {
  host.spawn_at_once = false;
  std::vector<process_definition> all;
  for (int i = 0; i < 7; ++i)
    all.push_back(configured("p" + std::to_string(i)));
  auto applied = apply(all, 2);
  size_t started = 0;
  for (int round = 0; round < 10; ++round) {
    size_t under_way = 0;
    for (auto& x : all)
      under_way += status_of(x.handle_id) == status::starting;
    BOOST_TEST(under_way <= 2u);
    for (auto& x : all)
      if (status_of(x.handle_id) == status::starting) {
        host.finish_spawn(host.last(x.handle_id));
        ++started;
        break;
      }
    run();
  }
  BOOST_TEST(started == 7u);
  BOOST_TEST(value_of(applied).outcomes.size() == 7u);
}

// -- what cannot be ended -----------------------------------------------------

BOOST_AUTO_TEST_CASE(what_survives_sigkill_holds_nothing_else_up) {
  define("stuck");
  define("web");
  host.immortal = true;
  auto down = ask<bool>(shutdown_atom::value, false, false);
  advance(10s); // SIGKILL
  BOOST_TEST(host.last("stuck").signals.back() == SIGKILL);
  advance(10s); // given up
  BOOST_TEST((code_of(down) == ec::timeout));
  BOOST_TEST((**down).error().text.find("'stuck'") != std::string::npos);
  BOOST_TEST((status_of("stuck") == status::stopping));
  BOOST_TEST(view("stuck").status_text.find("SIGKILL was sent 10s ago")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_stop_goes_from_signal_to_signal) {
  auto spec = simple_spec();
  spec.shutdown.timeout = 1s;
  spec.shutdown.then = {{SIGINT, 2s}, {SIGQUIT, 3s}};
  define("web", spec);
  host.obeys_term = false;
  stop("web");
  std::vector<int> wanted{SIGTERM, SIGCONT};
  BOOST_TEST((host.last("web").signals == wanted));
  advance(1s);
  wanted.insert(wanted.end(), {SIGINT, SIGCONT});
  BOOST_TEST((host.last("web").signals == wanted));
  advance(2s);
  wanted.insert(wanted.end(), {SIGQUIT, SIGCONT});
  BOOST_TEST((host.last("web").signals == wanted));
  advance(2s);
  BOOST_TEST((host.last("web").signals == wanted));
  advance(1s);
  BOOST_TEST(host.last("web").signals.back() == SIGKILL);
  BOOST_TEST((status_of("web") == status::stopped));
}

BOOST_AUTO_TEST_CASE(a_stop_command_runs_first_and_has_its_time) {
  auto spec = simple_spec();
  spec.shutdown.timeout = 5s;
  spec.shutdown.command = {"/bin/stop", "now"};
  define("web", spec);
  stop("web");
  auto& command = host.last("web:stop");
  BOOST_TEST(command.request.argv == spec.shutdown.command,
             boost::test_tools::per_element());
  host.end(command, {exit_reason::exited, 0, {}});
  run();
  BOOST_TEST(host.last("web").signals.empty());
  advance(5s);
  BOOST_TEST(host.last("web").signals.front() == SIGTERM);
  BOOST_TEST((status_of("web") == status::stopped));
}

BOOST_AUTO_TEST_CASE(a_stop_command_that_fails_is_followed_at_once) {
  auto spec = simple_spec();
  spec.shutdown.command = {"/bin/stop"};
  define("web", spec);
  stop("web");
  host.end(host.last("web:stop"), {exit_reason::exited, 3, {}});
  run();
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(view("web").status_text == "stop command: exit 3");
}

BOOST_AUTO_TEST_CASE(a_stop_command_that_hangs_is_killed_at_its_time) {
  auto spec = simple_spec();
  spec.shutdown.timeout = 5s;
  spec.shutdown.command = {"/bin/stop"};
  define("web", spec);
  stop("web");
  advance(5s);
  BOOST_TEST(host.last("web:stop").signals.back() == SIGKILL);
  BOOST_TEST((status_of("web") == status::stopped));
}

BOOST_AUTO_TEST_CASE(a_reset_clears_a_failure_and_the_budget) {
  auto spec = simple_spec(restart_mode::always);
  spec.start_limit = {2, 1h};
  define("web", spec);
  for (int i = 0; i < 2; ++i) {
    host.exit("web", 1);
    run();
    advance(1s);
  }
  BOOST_TEST((status_of("web") == status::failed));
  request_context by;
  by.correlation_id = "mine";
  auto reset = ask<change_outcome>(reset_atom::value, std::string{"web"}, by);
  BOOST_TEST(value_of(reset).changed);
  BOOST_TEST((status_of("web") == status::stopped));
  BOOST_TEST(view("web").correlation_id == "mine");
  BOOST_TEST((view("web").cause == cause::user));
  BOOST_TEST(view("web").status_text == "");
  auto again = ask<change_outcome>(reset_atom::value, std::string{"web"},
                                   request_context{});
  BOOST_TEST(!value_of(again).changed);
}

// -- apply --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(apply_does_what_is_needed_and_no_more) {
  auto changed = simple_spec();
  changed.command = {"/bin/other"};
  auto relaxed = simple_spec(restart_mode::always);
  relaxed.labels["team"] = "x";
  apply({configured("same"), configured("gone"), configured("new_command"),
         configured("new_policy")});
  define("adhoc");
  auto report =
    value_of(apply({configured("same"), configured("new_command", changed),
                    configured("new_policy", relaxed), configured("fresh")}));
  BOOST_TEST(report.diff.processes.size() == 4u);
  BOOST_TEST(report.diff.unchanged == 1u);
  for (auto id : {"same", "new_policy", "fresh", "adhoc"})
    BOOST_TEST(host.spawn_count(id) == 1u, id);
  BOOST_TEST(host.spawn_count("new_command") == 2u);
  BOOST_TEST(host.last("new_command").request.argv[0] == "/bin/other");
  BOOST_TEST(view("new_policy").labels.at("team") == "x");
  auto gone = ask<process_view>(status_atom::value, std::string{"gone"});
  BOOST_TEST((code_of(gone) == ec::no_such_process));
}

BOOST_AUTO_TEST_CASE(a_diff_names_the_key_that_restarts) {
  apply({configured("web")});
  auto spec = simple_spec();
  spec.environment["PORT"] = "1";
  spec.restart_delay = 5s;
  accepted_config config;
  config.processes = {configured("web", spec)};
  auto found = value_of(ask<config_diff>(diff_atom::value, config));
  BOOST_REQUIRE(found.processes.size() == 1u);
  BOOST_TEST(found.processes[0].restarts);
  auto& keys = found.processes[0].keys;
  BOOST_REQUIRE(keys.size() == 2u);
  BOOST_TEST(keys[0].key == "environment.PORT");
  BOOST_TEST(keys[0].restarts);
  BOOST_TEST(keys[1].key == "restart_delay");
  BOOST_TEST(!keys[1].restarts);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

// The client of an apply whose node died asks the next one again.
BOOST_AUTO_TEST_CASE(an_apply_that_comes_again_waits_for_the_one_under_way) {
  apply({configured("gone"), configured("web")});
  host.obeys_term = false;
  std::vector rest{configured("web"), configured("fresh")};
  apply(rest);
  crash();
  open(after_a_crash({"gone", "web"}));
  auto other = apply({configured("web")});
  BOOST_TEST((code_of(other) == ec::busy));
  auto again = apply(rest);
  BOOST_TEST(!again->has_value()); // "gone" has its grace
  advance(10s);
  BOOST_TEST(value_of(again).outcomes.size() >= 2u);
  BOOST_TEST((status_of("fresh") == status::running));
}

BOOST_AUTO_TEST_CASE(an_apply_tells_what_changes_of_the_node) {
  apply({configured("web")}, 5);
  auto report = value_of(apply({configured("web")}, 1));
  BOOST_REQUIRE(report.diff.node.size() == 1u);
  BOOST_TEST(report.diff.node[0].key == "start_concurrency_max");
  BOOST_TEST(report.diff.node[0].before == "5");
}

// What a repair is for.
BOOST_AUTO_TEST_CASE(what_has_failed_begins_anew_when_its_command_changes) {
  auto spec = simple_spec(restart_mode::never);
  auto unasked = spec;
  unasked.autostart = false;
  auto retried = simple_spec();
  retried.restart_delay = 30s;
  auto all = [&] {
    return std::vector{configured("broken", spec),
                       configured("by_hand", unasked), configured("done", spec),
                       configured("other", spec),
                       configured("retried", retried)};
  };
  apply(all());
  value_of(ask<change_outcome>(start_atom::value, std::string{"by_hand"},
                               request_context{}));
  for (auto id : {"broken", "by_hand", "done", "other", "retried"}) {
    host.exit(id, id == std::string{"done"} ? 0 : 1);
    run();
  }
  BOOST_TEST((status_of("retried") == status::backoff));
  for (auto x : {&spec, &unasked, &retried})
    x->command = {"/bin/repaired"};
  auto next = all();
  next[3] = configured("other", simple_spec(restart_mode::never));
  next[3].spec.labels["a"] = "b"; // for which nothing begins anew
  auto report = value_of(apply(next));
  std::map<std::string, bool> restarts;
  for (auto& x : report.diff.processes)
    restarts[x.handle_id] = x.restarts;
  BOOST_TEST((restarts
              == std::map<std::string, bool>{{"broken", true},
                                             {"by_hand", false},
                                             {"done", false},
                                             {"other", false},
                                             {"retried", true}}));
  BOOST_TEST((status_of("broken") == status::running));
  BOOST_TEST((status_of("retried") == status::running));
  BOOST_TEST(host.last("retried").request.argv[0] == "/bin/repaired");
  BOOST_TEST(host.alive_count() == 2u);
}

// The node dies while a gone one takes its time: the next one goes on.
BOOST_AUTO_TEST_CASE(an_apply_that_a_crash_cuts_off_is_done_by_the_next_node) {
  apply({configured("gone"), configured("web")});
  auto changed = simple_spec();
  changed.command = {"/bin/other"};
  host.obeys_term = false;
  auto cut_off = apply({configured("web", changed), configured("fresh")});
  BOOST_TEST(!cut_off->has_value());
  crash();
  BOOST_TEST(!kept().applied);
  auto from = after_a_crash({"gone", "web"});
  host.obeys_term = true;
  open(std::move(from));
  BOOST_TEST(host.last("web").request.argv[0] == "/bin/other");
  BOOST_TEST((view("fresh").created_at == host.now));
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST((status_of("fresh") == status::running));
  BOOST_TEST(!host.is_alive("gone"));
  BOOST_TEST(host.alive_count() == 2u);
  BOOST_TEST(kept().applied);
}

// -- replicas -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(scale_adds_and_takes_away_replicas) {
  auto one = simple_spec();
  one.replica = 1;
  auto two = simple_spec();
  two.replica = 2;
  apply({configured("web.1", one), configured("web.2", two)});
  auto scale = [&](uint64_t count) {
    return ask<std::vector<named_outcome>>(
      scale_atom::value, std::string{"web"}, count, request_context{});
  };
  BOOST_TEST(value_of(scale(4)).size() == 2u);
  BOOST_TEST((status_of("web.4") == status::running));
  auto& environment = host.last("web.4").request.environment;
  BOOST_TEST((std::find(environment.begin(), environment.end(), "PM_REPLICA=4")
              != environment.end()));
  BOOST_TEST(value_of(scale(1)).size() == 3u);
  BOOST_TEST((status_of("web.1") == status::running));
  BOOST_TEST(host.alive_count() == 1u);
  BOOST_TEST((code_of(scale(0)) == ec::invalid_argument));
  apply({configured("web.1", one), configured("web.2", two)});
  BOOST_TEST((status_of("web.2") == status::running));
}

BOOST_AUTO_TEST_CASE(a_rolling_restart_ends_at_the_first_failure) {
  for (auto id : {"web.1", "web.2", "web.3"})
    define(id, simple_spec(restart_mode::never));
  host.spawn_at_once = false;
  auto rolling = ask<std::vector<named_outcome>>(
    restart_atom::value, std::vector<std::string>{"web.1", "web.2", "web.3"},
    false, uint64_t{60'000}, request_context{});
  BOOST_TEST(host.is_alive("web.2"));
  BOOST_TEST(host.spawn_count("web.2") == 1u);
  host.finish_spawn(host.last("web.1"));
  run();
  BOOST_TEST(host.spawn_count("web.2") == 2u);
  host.last("web.2").events->spawn_failed({ec::spawn_failed, "gone"});
  run();
  auto& results = value_of(rolling);
  BOOST_REQUIRE(results.size() == 3u);
  BOOST_TEST((results[0].error.code == ec::none));
  BOOST_TEST((results[1].error.code == ec::spawn_failed));
  BOOST_TEST((results[2].error.code == ec::cancelled));
  BOOST_TEST(host.is_alive("web.3"));
  BOOST_TEST(host.spawn_count("web.3") == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
