#include <boost/test/unit_test.hpp>

#include <csignal>

#include "actors/probe_policy.hpp"
#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct notify_world : actor_world {
  notify_world() { open(); }

  static process_spec with(std::vector<probe_role> roles) {
    auto spec = simple_spec();
    for (auto role : roles) {
      probe_spec probe;
      probe.role = role;
      probe.kind = probe_kind::notify;
      probe.period = 1s;
      probe.failure_count = 3;
      spec.probes.push_back(probe);
    }
    spec.restart_delay = 5s;
    return spec;
  }

  static process_spec watched(milliseconds limit) {
    auto spec = with({});
    spec.watchdog = limit;
    return spec;
  }

  bool say(const std::string& id, std::string_view text) {
    auto heard = notifier.say(host.last(id).request.run_id, text);
    run();
    return heard;
  }

  std::string variable(const std::string& id, const std::string& name) {
    for (auto& row : host.last(id).request.environment)
      if (row.starts_with(name + "="))
        return row.substr(name.size() + 1);
    return {};
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(watchdog_policy)

BOOST_AUTO_TEST_CASE(a_watchdog_is_overdue_at_the_second_look) {
  watchdog_state state;
  auto at = [](milliseconds x) { return watchdog_state::time_point{x}; };
  state.seen = at(1s);
  BOOST_TEST((watchdog_wait(10s, state, at(4s)) == 7s));
  BOOST_TEST((watchdog_wait(10s, state, at(11s)) == watchdog_doubt));
  state.seen = at(11050ms); // it was said, and read late
  BOOST_TEST((watchdog_wait(10s, state, at(11100ms)) == 9950ms));
  BOOST_TEST((watchdog_wait(10s, state, at(22s)) == watchdog_doubt));
  BOOST_TEST(!watchdog_wait(10s, state, at(22100ms)).has_value());
}

BOOST_AUTO_TEST_CASE(more_time_is_given_where_it_was_asked_for) {
  watchdog_state state;
  state.extended_until = watchdog_state::time_point{60s};
  BOOST_TEST(
    (watchdog_wait(10s, state, watchdog_state::time_point{15s}) == 45s));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(notify_messages)

BOOST_AUTO_TEST_CASE(lines_are_read_and_the_unknown_is_left_out) {
  auto x = parse_notify("READY=1\nSTATUS=serving 3\nWATCHDOG=1\n"
                        "EXTEND_TIMEOUT_USEC=1500001\nX=y\nfoo\n\nFDSTORE=1");
  BOOST_TEST((x.now == notify_message::phase::ready));
  BOOST_TEST((x.status == "serving 3"));
  BOOST_TEST(x.is_alive);
  BOOST_TEST(!x.wants_restart);
  BOOST_TEST((x.extend == 1501ms));
  BOOST_TEST((parse_notify("READY=2\nEXTEND_TIMEOUT_USEC=-1\nREADY")
              == notify_message{}));
  BOOST_TEST((!parse_notify("EXTEND_TIMEOUT_USEC=18446744073709551615")
                 .extend.has_value()));
  BOOST_TEST(parse_notify("MAINPID=7").refused == "MAINPID=7");
  auto text = "STATUS=" + std::string(5000, 'x');
  BOOST_TEST(parse_notify(text).status->size() == notify_status_max);
}

BOOST_AUTO_TEST_CASE(what_is_not_taken_is_merged) {
  notify_inbox inbox;
  BOOST_TEST(inbox.put(parse_notify("READY=1\nSTATUS=a")));
  BOOST_TEST(!inbox.put(parse_notify("WATCHDOG=1")));
  BOOST_TEST(!inbox.put(parse_notify("RELOADING=1\nSTATUS=b")));
  auto all = inbox.take();
  BOOST_TEST((all.now == notify_message::phase::reloading));
  BOOST_TEST((all.status == "b"));
  BOOST_TEST(all.is_alive);
  BOOST_TEST((inbox.take() == notify_message{}));
  BOOST_TEST(inbox.put({}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(notifying_processes, notify_world)

BOOST_AUTO_TEST_CASE(a_process_is_ready_when_it_says_so) {
  define("web", with({probe_role::readiness}));
  BOOST_TEST(variable("web", "NOTIFY_SOCKET") == "/state/notify.sock");
  BOOST_TEST(!view("web").ready);
  advance(1h);
  BOOST_TEST(!view("web").ready);
  BOOST_TEST((status_of("web") == status::running));
  say("web", "READY=1\nSTATUS=all is well");
  BOOST_TEST(view("web").ready);
  BOOST_TEST(view("web").notify_status == "all is well");
  BOOST_TEST(view("web").probes[0].text == "READY=1");
  say("web", "RELOADING=1");
  BOOST_TEST(!view("web").ready);
  say("web", "READY=1");
  BOOST_TEST(view("web").ready);
  say("web", "STOPPING=1");
  BOOST_TEST(!view("web").ready);
  BOOST_TEST(prober.asked.empty());
}

BOOST_AUTO_TEST_CASE(what_is_said_before_the_spawn_is_known_counts) {
  host.spawn_at_once = false;
  define("web", with({probe_role::startup, probe_role::readiness}));
  BOOST_TEST(say("web", "READY=1"));
  host.finish_spawn(host.last("web"));
  run();
  advance(1ms);
  BOOST_TEST(view("web").ready);
  BOOST_TEST((notifier.expected.begin()->second.pid == *view("web").pid));
}

BOOST_AUTO_TEST_CASE(a_start_that_is_not_said_to_be_done_has_failed) {
  define("web", with({probe_role::startup}));
  advance(1s);
  advance(1s);
  BOOST_TEST((status_of("web") == status::running));
  advance(1s);
  BOOST_TEST((status_of("web") == status::backoff));
  auto now = view("web");
  BOOST_TEST((now.cause == cause::probe));
  BOOST_TEST_INFO(now.status_text);
  BOOST_TEST(now.status_text.find("startup probe failed: it has not said "
                                  "READY=1 yet")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_start_that_asks_for_more_time_gets_it) {
  define("web", with({probe_role::startup}));
  say("web", "EXTEND_TIMEOUT_USEC=10000000");
  for (int i = 0; i < 9; ++i)
    advance(1s);
  BOOST_TEST((status_of("web") == status::running));
  say("web", "READY=1");
  advance(1h);
  BOOST_TEST(view("web").ready);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(another_main_pid_is_refused_and_shown) {
  define("web", with({probe_role::readiness}));
  auto pid = view("web").pid;
  say("web", "MAINPID=1");
  BOOST_TEST((view("web").pid == pid));
  BOOST_TEST(view("web").notify_status == "MAINPID=1 is refused");
}

BOOST_AUTO_TEST_CASE(nobody_listens_to_a_process_that_need_not_speak) {
  define("web");
  BOOST_TEST(variable("web", "NOTIFY_SOCKET") == "");
  BOOST_TEST(notifier.expected.empty());
}

BOOST_AUTO_TEST_CASE(a_run_that_is_over_is_not_listened_to) {
  define("web", with({probe_role::readiness}));
  stop("web");
  BOOST_TEST(notifier.expected.empty());
  start("web");
  BOOST_TEST(notifier.expected.size() == 1u);
  BOOST_TEST(view("web").notify_status == "");
}

BOOST_AUTO_TEST_CASE(another_user_reaches_a_socket_of_its_own) {
  auto spec = with({probe_role::readiness});
  spec.user = "1000";
  define("web", spec);
  BOOST_TEST(variable("web", "NOTIFY_SOCKET") == "/run/notify");
}

BOOST_AUTO_TEST_CASE(a_silent_process_is_restarted_by_its_watchdog) {
  define("web", watched(10s));
  BOOST_TEST(variable("web", "WATCHDOG_USEC") == "10000000");
  for (int i = 0; i < 5; ++i) {
    advance(9s);
    say("web", "WATCHDOG=1");
  }
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(host.spawn_count("web") == 1u);
  advance(10s);
  advance(100ms);
  BOOST_TEST((status_of("web") == status::backoff));
  auto now = view("web");
  BOOST_TEST((now.cause == cause::watchdog));
  BOOST_TEST(now.status_text.find("watchdog: no WATCHDOG=1 for 10s")
             != std::string::npos);
  advance(5s);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(view("web").restart_count == 1);
}

BOOST_AUTO_TEST_CASE(a_process_may_ask_its_watchdog_for_a_restart) {
  define("web", watched(10s));
  say("web", "WATCHDOG=trigger");
  BOOST_TEST((status_of("web") == status::backoff));
  BOOST_TEST((view("web").cause == cause::watchdog));
}

BOOST_AUTO_TEST_CASE(a_watchdog_counts_from_the_end_of_the_start) {
  auto spec = with({probe_role::startup});
  spec.probes[0].failure_count = 100;
  spec.watchdog = 2s;
  define("web", spec);
  for (int i = 0; i < 20; ++i)
    advance(1s);
  BOOST_TEST((status_of("web") == status::running));
  say("web", "READY=1");
  advance(2s);
  advance(100ms);
  BOOST_TEST((status_of("web") == status::backoff));
}

BOOST_AUTO_TEST_CASE(a_watchdog_is_quiet_while_the_process_is_stopped) {
  host.obeys_term = false;
  auto spec = watched(2s);
  spec.shutdown.timeout = 1h;
  define("web", spec);
  stop("web");
  advance(1min);
  BOOST_TEST((host.last("web").signals == std::vector<int>{SIGTERM, SIGCONT}));
}

BOOST_AUTO_TEST_CASE(a_stop_gives_the_time_that_was_asked_for) {
  host.obeys_term = false;
  auto spec = watched(1h);
  spec.shutdown.timeout = 10s;
  define("web", spec);
  stop("web");
  advance(5s);
  say("web", "EXTEND_TIMEOUT_USEC=30000000");
  advance(5s);
  advance(20s);
  BOOST_TEST((host.last("web").signals == std::vector<int>{SIGTERM, SIGCONT}));
  advance(10s);
  BOOST_TEST(host.last("web").signals.back() == SIGKILL);
}

// A clock that is set forward is not silence.
BOOST_AUTO_TEST_CASE(the_wall_clock_does_not_make_a_watchdog_overdue) {
  define("web", watched(10s));
  host.now += 24h;
  advance(5s);
  say("web", "WATCHDOG=1");
  advance(9s);
  BOOST_TEST((status_of("web") == status::running));
}

// What was ready stays so; what was said meanwhile is not known.
// It may have said READY=1 while nobody listened.
BOOST_AUTO_TEST_CASE(what_no_node_has_heard_restarts_nobody) {
  for (auto role : {probe_role::startup, probe_role::readiness}) {
    auto id = std::string{to_string(role)};
    define(id, with({role}));
    advance(1s);
    held_run held;
    held.run_id = host.last(id).request.run_id;
    held.identity = host.last(id).who;
    crash();
    notifier.expected.clear();
    manager_start from;
    from.held = {held};
    open(from);
    advance(1s);
    BOOST_TEST(!view(id).ready);
    for (int i = 0; i < 4; ++i)
      advance(1s);
    BOOST_TEST((status_of(id) == status::running));
    BOOST_TEST(host.last(id).signals.empty());
    BOOST_TEST(view(id).ready);
    BOOST_TEST(view(id).run_id == held.run_id.str());
    BOOST_TEST(say(id, "STOPPING=1")); // from here on it is heard
    BOOST_TEST((view(id).ready == (role == probe_role::startup)));
    stop(id);
  }
}

BOOST_AUTO_TEST_CASE(the_next_node_listens_on_and_counts_anew) {
  auto spec = with({probe_role::readiness});
  spec.watchdog = 10s;
  define("web", spec);
  say("web", "READY=1");
  auto& child = host.last("web");
  held_run held;
  held.run_id = child.request.run_id;
  held.identity = child.who;
  crash();
  notifier.expected.clear();
  manager_start from;
  from.held = {held};
  open(from);
  BOOST_TEST(view("web").ready);
  advance(9s);
  BOOST_TEST(say("web", "WATCHDOG=1"));
  advance(9s);
  BOOST_TEST((status_of("web") == status::running));
  say("web", "RELOADING=1");
  BOOST_TEST(!view("web").ready);
}

BOOST_AUTO_TEST_SUITE_END()
