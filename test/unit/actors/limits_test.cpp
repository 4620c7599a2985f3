#include <boost/test/unit_test.hpp>

#include <csignal>

#include "actors/limit_policy.hpp"
#include "test/support/actor_world.hpp"

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t limit_bytes = 100'000'000;

struct limit_world : actor_world {
  limit_world() { open(); }

  static process_spec with(std::optional<uint64_t> memory,
                           std::optional<double> cores = {}) {
    auto spec = simple_spec();
    spec.memory_limit = memory;
    spec.cpu_limit = cores;
    spec.restart_delay = 5s;
    return spec;
  }

  // The run uses so many cores for so long, sampled every second.
  void use(double cores, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      advance(1s);
      used_ += std::chrono::milliseconds{static_cast<int>(1000 * cores)};
      BOOST_REQUIRE(meter.say(1000, used_));
      run();
    }
  }

  std::vector<std::string> texts_of_events() {
    std::vector<std::string> result;
    auto events =
      ask<std::vector<process_event>>(events_atom::value, uint64_t{0});
    for (auto& x : value_of(events))
      if (x.from == x.to)
        result.push_back(x.text);
    return result;
  }

private:
  std::chrono::microseconds used_{0};
};

// A policy on a clock of its own.
struct judged {
  process_spec spec;
  limit_watch watch;
  limit_watch::time_point now{1h};
  std::chrono::microseconds cpu{0};

  // What came of so many seconds at so many cores: one letter each.
  std::string at(double cores, int seconds) {
    std::string turns;
    for (int i = 0; i < seconds; ++i) {
      now += 1s;
      cpu += std::chrono::milliseconds{static_cast<int>(1000 * cores)};
      auto turn = judge_usage(spec, watch, 0, cpu, 1, now).turn;
      turns += turn == limit_turn::over_cpu     ? 'O'
               : turn == limit_turn::within_cpu ? 'W'
                                                : '.';
    }
    return turns;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(limit_policy, judged)

BOOST_AUTO_TEST_CASE(memory_is_judged_at_once_and_told_in_words) {
  spec.memory_limit = limit_bytes;
  BOOST_TEST((judge_usage(spec, watch, limit_bytes, {}, 1, now).turn
              == limit_turn::none));
  auto found = judge_usage(spec, watch, limit_bytes * 3 / 2, {}, 2, now + 1s);
  BOOST_TEST((found.turn == limit_turn::over_memory));
  BOOST_TEST(found.text
             == "memory_limit: 150.0 MB used by 2 processes, the limit is "
                "100.0 MB");
}

BOOST_AUTO_TEST_CASE(cpu_is_judged_by_its_average_and_told_once) {
  spec.cpu_limit = 0.5;
  BOOST_TEST(at(0.4, 12) == "............");
  BOOST_TEST(at(2.0, 3) == "O.."); // 5.6 s in ten
  BOOST_TEST(at(0.4, 12) == ".........W..");
  BOOST_TEST(at(2.0, 1) == "O");
}

BOOST_AUTO_TEST_CASE(a_short_peak_at_the_start_is_no_average) {
  spec.cpu_limit = 0.5;
  BOOST_TEST(at(4.0, 1) + at(0.0, 20) == ".....................");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(limits, limit_world)

BOOST_AUTO_TEST_CASE(only_runs_with_a_limit_are_measured) {
  define("free");
  BOOST_TEST(meter.runs.empty());
  define("web", with(limit_bytes));
  BOOST_REQUIRE(meter.runs.size() == 1u);
  BOOST_TEST(meter.runs.begin()->second.root.pid == view("web").pid.value());
  stop("web");
  BOOST_TEST(meter.runs.empty());
}

BOOST_AUTO_TEST_CASE(too_much_memory_ends_in_a_restart_that_says_why) {
  define("web", with(limit_bytes));
  meter.say(limit_bytes);
  run();
  BOOST_TEST((status_of("web") == status::running));
  host.obeys_term = false;
  meter.say(limit_bytes + 1'000'000);
  run();
  BOOST_TEST((status_of("web") == status::stopping)); // it gets its grace
  BOOST_TEST(view("web").status_text.starts_with("memory_limit: 101.0 MB"));
  BOOST_TEST(host.last("web").signals.front() == SIGTERM);
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGTERM});
  run();
  auto now = view("web");
  BOOST_TEST((now.status == status::backoff));
  BOOST_TEST((now.cause == cause::memory_limit));
  BOOST_TEST(now.status_text
             == "memory_limit: 101.0 MB used by 1 process, the limit is 100.0 "
                "MB; restarts in 5s");
  advance(5s);
  now = view("web");
  BOOST_TEST((now.status == status::running));
  BOOST_TEST(now.restart_count == 1);
  BOOST_TEST((now.cause == cause::memory_limit));
  BOOST_TEST(meter.runs.size() == 1u);
}

BOOST_AUTO_TEST_CASE(one_that_is_not_to_be_restarted_fails) {
  auto spec = with(limit_bytes);
  spec.restart = restart_mode::never;
  define("web", spec);
  meter.say(limit_bytes + 1'000'000);
  run();
  BOOST_TEST((status_of("web") == status::failed));
  BOOST_TEST(view("web").status_text.starts_with("memory_limit: 101.0 MB"));
}

BOOST_AUTO_TEST_CASE(too_much_cpu_is_told_and_ends_nothing) {
  define("web", with({}, 0.5));
  use(1.0, 12);
  auto now = view("web");
  BOOST_TEST((now.status == status::running));
  auto text = "cpu_limit: 1.00 cores used over the last 10s, the limit is 0.50";
  BOOST_TEST(now.status_text == text);
  auto told = texts_of_events();
  BOOST_REQUIRE(told.size() == 1u);
  BOOST_TEST(told[0] == text);
  use(0.1, 10);
  BOOST_TEST(view("web").status_text == "");
  BOOST_TEST(texts_of_events().size() == 1u);
}

BOOST_AUTO_TEST_CASE(new_limits_hold_for_the_run_that_is_there) {
  define("web");
  auto run_id = view("web").run_id;
  auto redefine = [&](process_spec spec) {
    process_definition what;
    what.handle_id = "web";
    what.spec = std::move(spec);
    what.origin = pm::origin::config;
    accepted_config config;
    config.processes = {what};
    value_of(ask<apply_report>(apply_atom::value, config, request_context{}));
  };
  redefine(with(limit_bytes));
  BOOST_TEST(meter.runs.size() == 1u);
  redefine(with(limit_bytes * 2));
  meter.say(limit_bytes + 1);
  run();
  BOOST_TEST(view("web").run_id == run_id);
  redefine(with({}));
  BOOST_TEST(meter.runs.empty());
  BOOST_TEST(view("web").run_id == run_id);
  host.kernel_limits = true;
  redefine(with(limit_bytes));
  BOOST_TEST(host.last("web").request.allowed.memory_bytes.value()
             == limit_bytes);
  BOOST_TEST(meter.runs.empty());
}

BOOST_AUTO_TEST_CASE(what_the_kernel_holds_is_not_measured) {
  host.kernel_limits = true;
  define("web", with(limit_bytes, 0.5));
  BOOST_TEST(meter.runs.empty());
  auto& request = host.last("web").request;
  BOOST_TEST(request.allowed.memory_bytes.value() == limit_bytes);
  BOOST_TEST(request.allowed.cores.value() == 0.5);
  // One of the two only.
  host.last("web").events->limited({.memory = true, .cpu = false});
  run();
  BOOST_REQUIRE(meter.runs.size() == 1u);
  meter.say(limit_bytes * 2);
  run();
  BOOST_TEST((status_of("web") == status::running));
}

BOOST_AUTO_TEST_CASE(a_kill_by_the_kernel_is_a_restart_for_memory) {
  host.kernel_limits = true;
  define("web", with(limit_bytes));
  witness.said = "perhaps the OOM killer";
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGKILL}, true);
  run();
  auto now = view("web");
  BOOST_TEST((now.status == status::backoff));
  BOOST_TEST((now.cause == cause::memory_limit));
  BOOST_TEST(now.status_text
             == "memory_limit: the kernel has ended it, the limit is 100.0 MB; "
                "restarts in 5s");
  BOOST_TEST(witness.asked == 0);
  advance(5s);
  BOOST_TEST(view("web").restart_count == 1);
}

BOOST_AUTO_TEST_CASE(a_shell_that_passes_a_kill_on_is_looked_into) {
  define("web", with({}));
  witness.said = "perhaps the OOM killer";
  host.exit("web", 137);
  run();
  BOOST_TEST(view("web").status_text
             == "restarts in 5s; perhaps the OOM killer");
}

BOOST_AUTO_TEST_CASE(a_kill_that_nobody_asked_for_is_looked_into) {
  define("web", with({}));
  witness.said = "perhaps the OOM killer";
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGTERM});
  run();
  BOOST_TEST(witness.asked == 0);
  advance(5s);
  host.end(host.last("web"), {exit_reason::signaled, {}, SIGKILL});
  run();
  BOOST_TEST(view("web").status_text
             == "restarts in 10s; perhaps the OOM killer");
  advance(10s);
  stop("web", true); // by pm
  BOOST_TEST(witness.asked == 1);
}

BOOST_AUTO_TEST_SUITE_END()
