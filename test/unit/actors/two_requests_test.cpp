#include <boost/test/unit_test.hpp>

#include <csignal>

#include <caf/send.hpp>

#include "test/support/actor_world.hpp"

// Requests that come while another one is under way: the last intent wins, and
// nobody is told what is not so.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

using outcomes = std::vector<named_outcome>;

struct two_requests_world : actor_world {
  two_requests_world() { open(); }

  static process_definition configured(const std::string& id,
                                       process_spec spec = simple_spec()) {
    process_definition definition;
    definition.handle_id = id;
    definition.origin = origin::config;
    definition.spec = std::move(spec);
    return definition;
  }

  static process_definition replica(int number) {
    auto spec = simple_spec();
    spec.replica = number;
    return configured("web." + std::to_string(number), spec);
  }

  static process_spec needing(const std::string& id,
                              dependency_condition condition) {
    auto spec = simple_spec();
    spec.depends_on[id].condition = condition;
    return spec;
  }

  answer<apply_report> apply(std::vector<process_definition> processes) {
    accepted_config config;
    config.path = "/etc/x.json";
    config.processes = std::move(processes);
    return ask<apply_report>(apply_atom::value, config, request_context{});
  }

  answer<outcomes> scale(uint64_t count) {
    return ask<outcomes>(scale_atom::value, std::string{"web"}, count,
                         request_context{});
  }

  answer<outcomes> roll(std::vector<std::string> ids, milliseconds within) {
    return ask<outcomes>(restart_atom::value, std::move(ids), false,
                         static_cast<uint64_t>(within.count()),
                         request_context{});
  }

  // Ends those that do not end of SIGTERM.
  void end(const std::string& id) {
    host.end(host.last(id), {exit_reason::signaled, {}, SIGKILL});
    run();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(two_requests, two_requests_world)

BOOST_AUTO_TEST_CASE(a_stop_right_behind_a_restart_is_obeyed) {
  define("web");
  // Both are there before the intent of the first has been written.
  for (auto force : {false, true}) {
    caf::anon_send(manager, restart_atom::value, std::string{"web"}, force,
                   request_context{});
    caf::anon_send(manager, stop_atom::value, std::string{"web"}, false,
                   request_context{});
    run();
    BOOST_TEST((status_of("web") == status::stopped));
    BOOST_TEST(host.alive_count() == 0u);
    BOOST_TEST(host.spawn_count("web") == (force ? 2u : 1u));
    start("web");
  }
}

BOOST_AUTO_TEST_CASE(an_apply_begins_nothing_once_the_node_is_to_end) {
  apply({configured("gone")});
  host.obeys_term = false;
  auto applied = apply({configured("fresh")});
  auto down = ask<bool>(shutdown_atom::value, false, false);
  end("gone");
  BOOST_TEST((code_of(applied) == ec::shutting_down));
  BOOST_TEST(value_of(down));
  BOOST_TEST(host.spawn_count("fresh") == 0u);
}

BOOST_AUTO_TEST_CASE(an_apply_that_waits_can_be_mended_by_the_next) {
  auto never_ready = simple_spec();
  probe_spec probe;
  probe.role = probe_role::readiness;
  probe.kind = probe_kind::tcp;
  probe.port = 80;
  never_ready.probes = {probe};
  apply({configured("db", never_ready)});
  auto web = configured("web", needing("db", dependency_condition::ready));
  auto waiting = apply({configured("db", never_ready), web});
  BOOST_TEST((status_of("web") == status::pending));
  BOOST_TEST(!waiting->has_value());
  auto mended = apply({configured("db"), web});
  BOOST_TEST((code_of(mended) == ec::none));
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST((code_of(waiting) == ec::none));
}

BOOST_AUTO_TEST_CASE(new_processes_of_any_name_need_each_other) {
  auto done =
    apply({configured("app", needing("base", dependency_condition::started)),
           configured("base")});
  for (auto& x : value_of(done).outcomes)
    BOOST_TEST((x.error.code == ec::none), x.error.text);
  BOOST_TEST((status_of("app") == status::running));
}

BOOST_AUTO_TEST_CASE(the_last_of_two_scales_counts) {
  apply({replica(1), replica(2), replica(3)});
  host.obeys_term = false;
  auto less = scale(1);
  auto more = scale(3);
  BOOST_TEST((code_of(apply({replica(1)})) == ec::busy));
  end("web.3");
  end("web.2");
  BOOST_TEST(value_of(less).size() == 2u);
  BOOST_TEST(value_of(more).size() == 2u);
  for (auto id : {"web.1", "web.2", "web.3"})
    BOOST_TEST((status_of(id) == status::running));
}

BOOST_AUTO_TEST_CASE(scale_starts_replicas_that_are_down) {
  apply({replica(1), replica(2)});
  stop("web.2");
  BOOST_TEST(value_of(scale(2)).size() == 1u);
  BOOST_TEST((status_of("web.2") == status::running));
  BOOST_TEST(value_of(scale(2)).empty());
}

BOOST_AUTO_TEST_CASE(
  a_rolling_restart_gives_a_pending_one_its_time_and_no_more) {
  define("db");
  define("web", needing("db", dependency_condition::started));
  stop("db");
  auto rolling = roll({"web"}, 5s);
  BOOST_TEST((status_of("web") == status::pending));
  advance(4s);
  BOOST_TEST(!rolling->has_value());
  advance(1s);
  BOOST_TEST((value_of(rolling).at(0).error.code == ec::timeout));
}

// Its node died while it waited.
BOOST_AUTO_TEST_CASE(a_start_that_comes_again_waits_for_its_dependency) {
  define("db", simple_spec(), false);
  auto web = simple_spec();
  web.depends_on["db"].condition = dependency_condition::completed;
  define("web", web, false);
  request_context by;
  by.request_id = "once";
  ask<change_outcome>(start_atom::value, std::string{"web"}, by);
  BOOST_TEST((status_of("web") == status::pending));
  auto again = ask<change_outcome>(start_atom::value, std::string{"web"}, by);
  BOOST_TEST(!again->has_value());
  host.exit("db", 0);
  run();
  BOOST_TEST((value_of(again).process.status == status::running));
}

BOOST_AUTO_TEST_CASE(a_restart_that_comes_again_is_waited_for) {
  define("web");
  host.obeys_term = false;
  request_context by;
  by.request_id = "once";
  auto first =
    ask<change_outcome>(restart_atom::value, std::string{"web"}, false, by);
  auto again =
    ask<change_outcome>(restart_atom::value, std::string{"web"}, false, by);
  BOOST_TEST(!again->has_value());
  end("web");
  BOOST_TEST((code_of(first) == ec::none));
  BOOST_TEST((code_of(again) == ec::none));
  BOOST_TEST(host.spawn_count("web") == 2u);
}

BOOST_AUTO_TEST_CASE(a_stop_in_backoff_leaves_no_word_of_the_next_start) {
  auto spec = simple_spec();
  spec.restart_delay = 20s;
  define("web", spec);
  host.exit("web", 1);
  run();
  BOOST_TEST(view("web").status_text == "restarts in 20s");
  stop("web");
  BOOST_TEST(view("web").status_text == "");
}

BOOST_AUTO_TEST_CASE(a_hook_at_the_end_has_its_own_time) {
  auto spec = simple_spec();
  spec.hooks = {{hook_moment::post_stop, {"hook"}, 30s}};
  define("web", spec);
  auto stopped = stop("web", true);
  advance(20s); // longer than anybody waits for SIGKILL
  BOOST_TEST(!stopped->has_value());
  host.exit("web:post_stop", 0);
  run();
  BOOST_TEST(value_of(stopped).changed);
  BOOST_TEST((status_of("web") == status::stopped));
}

BOOST_AUTO_TEST_CASE(a_schedule_that_comes_later_begins_what_was_done) {
  auto spec = simple_spec(restart_mode::never);
  apply({configured("job", spec)});
  host.exit("job", 0);
  run();
  spec.schedule.emplace();
  spec.schedule->interval = 10s;
  apply({configured("job", spec)});
  BOOST_TEST((status_of("job") == status::pending));
  advance(10s);
  BOOST_TEST(host.spawn_count("job") == 2u);
  spec.schedule.reset();
  apply({configured("job", spec)});
  BOOST_TEST((status_of("job") == status::running));
  BOOST_TEST(!view("job").next_run_at.has_value());
}

// -- requests that meet a removal ---------------------------------------------

BOOST_AUTO_TEST_CASE(a_start_behind_a_removal_begins_a_new_process) {
  define("web");
  stop("web");
  auto spec = simple_spec();
  spec.command = {"/bin/other"};
  auto by_name = std::string{"web"};
  auto removed =
    send<change_outcome>(remove_atom::value, by_name, false, request_context{});
  auto definition = configured("web", spec);
  auto defined = send<change_outcome>(define_atom::value, definition, true,
                                      request_context{});
  auto waited =
    send<process_view>(wait_atom::value, by_name, wait_target::running);
  run();
  BOOST_TEST(value_of(removed).changed);
  BOOST_TEST(value_of(defined).changed);
  BOOST_TEST((value_of(waited).status == status::running));
  BOOST_TEST(host.last("web").request.argv[0] == "/bin/other");
  BOOST_TEST(host.alive_count() == 1u);
  crash();
  manager_start from;
  from.held.push_back(
    {host.last("web").request.run_id, host.last("web").who, std::nullopt});
  open(std::move(from));
  BOOST_TEST((status_of("web") == status::running)); // it is on record
}

BOOST_AUTO_TEST_CASE(every_request_behind_a_removal_is_answered) {
  auto by_name = std::string{"web"};
  request_context by;
  for (auto verb : {0, 1, 2, 3, 4, 5}) {
    define("web");
    stop("web");
    auto removed = send<uint64_t>(cleanup_atom::value, by);
    auto late =
      verb == 0   ? send<change_outcome>(start_atom::value, by_name, by)
      : verb == 1 ? send<change_outcome>(stop_atom::value, by_name, false, by)
      : verb == 2
        ? send<change_outcome>(restart_atom::value, by_name, false, by)
      : verb == 3
        ? send<change_outcome>(signal_atom::value, by_name, SIGHUP, by)
      : verb == 4 ? send<change_outcome>(reset_atom::value, by_name, by)
                  : send<change_outcome>(remove_atom::value, by_name, true, by);
    run();
    BOOST_TEST(value_of(removed) == 1u);
    auto is_over = verb == 1 || verb == 5;
    BOOST_TEST((code_of(late) == (is_over ? ec::none : ec::no_such_process)),
               "verb " << verb);
    BOOST_TEST(host.alive_count() == 0u);
    auto gone = ask<process_view>(status_atom::value, by_name);
    BOOST_TEST((code_of(gone) == ec::no_such_process));
  }
  BOOST_TEST(store->records().empty());
}

BOOST_AUTO_TEST_CASE(a_start_that_waits_is_told_of_the_removal) {
  host.spawn_at_once = false;
  define("db");
  auto waits = define("web", needing("db", dependency_condition::ready));
  BOOST_REQUIRE(!waits->has_value());
  ask<change_outcome>(remove_atom::value, std::string{"web"}, false,
                      request_context{});
  BOOST_TEST((code_of(waits) == ec::cancelled));
}

BOOST_AUTO_TEST_CASE(a_wait_behind_a_start_is_for_its_run) {
  host.spawn_at_once = false;
  auto started = send<change_outcome>(define_atom::value, configured("web"),
                                      true, request_context{});
  auto waited = send<process_view>(wait_atom::value, std::string{"web"},
                                   wait_target::ended);
  run();
  BOOST_TEST(!waited->has_value());
  host.finish_spawn(host.last("web"));
  run();
  BOOST_TEST(!waited->has_value());
  stop("web");
  BOOST_TEST(value_of(waited).pid.has_value() == false);
  BOOST_TEST((value_of(waited).reason == exit_reason::signaled));
}

BOOST_AUTO_TEST_SUITE_END()
