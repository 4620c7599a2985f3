#include <boost/test/unit_test.hpp>

#include <csignal>

#include "actors/probe_policy.hpp"
#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct probe_world : actor_world {
  probe_world() { open(); }

  static probe_spec probe(probe_role role) {
    probe_spec result;
    result.role = role;
    result.kind = probe_kind::tcp;
    result.port = 80;
    result.period = 1s;
    result.failure_count = 2;
    return result;
  }

  static process_spec with(std::vector<probe_spec> probes) {
    auto spec = simple_spec();
    spec.probes = std::move(probes);
    spec.restart_delay = 5s;
    return spec;
  }

  // Moves on to the next question and answers it.
  void answer(bool good) {
    if (prober.asked.empty())
      advance(1s);
    BOOST_REQUIRE(!prober.asked.empty());
    prober.answer(good);
    run();
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(probe_policy)

BOOST_AUTO_TEST_CASE(answers_in_a_row_turn_a_probe_once) {
  probe_spec spec;
  spec.success_count = 2;
  spec.failure_count = 3;
  probe_report report;
  auto told = [&](const char* answers) {
    std::string turns;
    for (auto* at = answers; *at; ++at) {
      auto turn = note_answer(spec, report, *at == '+', "", {});
      turns += turn == probe_turn::good  ? 'G'
               : turn == probe_turn::bad ? 'B'
                                         : '.';
    }
    return turns;
  };
  BOOST_TEST(told("+-++++") == "...G..");
  BOOST_TEST(told("--+---") == ".....B");
  BOOST_TEST(told("----") == "....");
  BOOST_TEST(told("+-++") == "...G");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(probes, probe_world)

BOOST_AUTO_TEST_CASE(a_process_is_ready_when_its_probe_says_so) {
  define("web", with({probe(probe_role::readiness)}));
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(!view("web").ready);
  auto ready =
    ask<process_view>(wait_atom::value, std::string{"web"}, wait_target::ready);
  answer(false);
  BOOST_TEST(!ready->has_value());
  BOOST_TEST(view("web").probes[0].text == "so it is");
  answer(true);
  BOOST_TEST(value_of(ready).ready);
  answer(false);
  BOOST_TEST(view("web").ready); // one is not enough
  answer(false);
  BOOST_TEST(!view("web").ready);
  BOOST_TEST(host.last("web").signals.empty());
}

BOOST_AUTO_TEST_CASE(a_process_without_probes_is_ready_and_asks_nothing) {
  define("web");
  BOOST_TEST(view("web").ready);
  advance(1h);
  BOOST_TEST(prober.asked.empty());
}

BOOST_AUTO_TEST_CASE(one_question_at_a_time_is_asked) {
  define("web", with({probe(probe_role::readiness)}));
  advance(10s);
  BOOST_TEST(prober.asked.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_sick_process_is_restarted_by_policy) {
  define("web", with({probe(probe_role::liveness)}));
  answer(true);
  BOOST_TEST((view("web").health == health::healthy));
  answer(false);
  answer(false);
  BOOST_TEST((status_of("web") == status::backoff));
  auto now = view("web");
  BOOST_TEST((now.cause == cause::probe));
  BOOST_TEST(now.status_text.find("liveness probe failed: so it is")
             != std::string::npos);
  advance(5s);
  BOOST_TEST((status_of("web") == status::running));
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(view("web").restart_count == 1);
  BOOST_TEST((view("web").health == health::unchecked));
}

BOOST_AUTO_TEST_CASE(a_sick_process_that_may_not_restart_has_failed) {
  auto spec = with({probe(probe_role::liveness)});
  spec.restart = restart_mode::never;
  define("web", spec);
  answer(false);
  answer(false);
  BOOST_TEST((status_of("web") == status::failed));
}

BOOST_AUTO_TEST_CASE(a_stop_by_hand_wins_over_a_probe) {
  host.obeys_term = false;
  define("web", with({probe(probe_role::liveness)}));
  answer(false);
  answer(false);
  BOOST_TEST((status_of("web") == status::stopping));
  stop("web");
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGKILL});
  run();
  BOOST_TEST((status_of("web") == status::stopped));
  advance(1h);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(the_others_wait_for_the_startup_probe) {
  define("web", with({probe(probe_role::startup), probe(probe_role::readiness),
                      probe(probe_role::liveness)}));
  advance(1ms);
  BOOST_REQUIRE(prober.asked.size() == 1u);
  BOOST_TEST((prober.asked[0].what.what.role == probe_role::startup));
  answer(true);
  BOOST_TEST(!view("web").ready);
  advance(1ms);
  BOOST_TEST(prober.asked.size() == 2u);
  answer(true);
  BOOST_TEST(view("web").ready);
}

BOOST_AUTO_TEST_CASE(a_startup_probe_alone_makes_ready_or_fails_the_start) {
  define("web", with({probe(probe_role::startup)}));
  answer(false);
  BOOST_TEST(!view("web").ready);
  answer(true);
  BOOST_TEST(view("web").ready);
  define("bad", with({probe(probe_role::startup)}));
  answer(false);
  answer(false);
  BOOST_TEST((status_of("bad") == status::backoff));
}

BOOST_AUTO_TEST_CASE(an_answer_of_an_earlier_run_does_not_count) {
  define("web", with({probe(probe_role::readiness)}));
  advance(1ms);
  BOOST_REQUIRE(!prober.asked.empty());
  auto old = std::move(prober.asked.front());
  prober.asked.pop_front();
  restart("web");
  old.done({true, "late", 0, {}});
  run();
  BOOST_TEST(!view("web").ready);
}

BOOST_AUTO_TEST_CASE(what_depends_on_readiness_waits_for_the_probe) {
  define("db", with({probe(probe_role::readiness)}));
  auto spec = simple_spec();
  spec.depends_on = {{"db", {dependency_condition::ready, false, false}}};
  define("web", spec);
  BOOST_TEST((status_of("web") == status::pending));
  answer(true);
  BOOST_TEST((status_of("web") == status::running));
}

// The commands of exec probes are runs of their own.
BOOST_AUTO_TEST_CASE(an_exec_probe_is_a_run_that_ends_with_its_process) {
  auto exec = probe(probe_role::readiness);
  exec.kind = probe_kind::exec;
  exec.command = {"check"};
  define("web", with({exec}));
  advance(1ms);
  auto& first = host.last("web:probe");
  BOOST_TEST((first.request.argv == std::vector<std::string>{"check"}));
  host.exit("web:probe", 0);
  run();
  BOOST_TEST(view("web").ready);
  BOOST_TEST(host.acknowledged.contains(first.request.run_id.str()));
  advance(1s);
  BOOST_TEST(host.spawn_count("web:probe") == 2u);
  stop("web");
  BOOST_TEST((host.last("web:probe").signals == std::vector<int>{SIGKILL}));
  BOOST_TEST((status_of("web") == status::stopped));
}

// A question of the run before is waited for, not asked beside.
BOOST_AUTO_TEST_CASE(two_questions_are_never_open_at_once) {
  define("web", with({probe(probe_role::readiness)}));
  advance(1ms);
  restart("web");
  advance(10s);
  BOOST_TEST(prober.asked.size() == 1u);
  prober.answer(true);
  run();
  BOOST_TEST(!view("web").ready);
  BOOST_REQUIRE(prober.asked.size() == 1u);
  answer(true);
  BOOST_TEST(view("web").ready);
}

// A node that dies and comes back goes on where it was.
BOOST_AUTO_TEST_CASE(a_run_that_was_ready_is_ready_for_the_next_node) {
  define("web",
         with({probe(probe_role::startup), probe(probe_role::liveness)}));
  answer(true);
  BOOST_TEST(view("web").ready);
  auto& child = host.last("web");
  held_run held;
  held.run_id = child.request.run_id;
  held.identity = child.who;
  crash();
  prober.asked.clear();
  manager_start from;
  from.held = {held};
  open(from);
  advance(1ms);
  BOOST_TEST(view("web").ready);
  BOOST_REQUIRE(prober.asked.size() == 1u);
  BOOST_TEST((prober.asked[0].what.what.role == probe_role::liveness));
}

BOOST_AUTO_TEST_SUITE_END()
