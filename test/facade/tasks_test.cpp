#include "test/facade/facade_fixture.hpp"

#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include <caf/event_based_actor.hpp>

// Tasks inside the program, under the verbs of all processes.

using namespace pm::test;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(tasks, facade_fixture)

BOOST_AUTO_TEST_CASE(a_task_that_returns_has_ended_well) {
  auto& pm = open();
  value_of(pm.start_async_task([] {}, {.handle_id = "once"}));
  auto ended = value_of(pm.wait_for_process("once"));
  BOOST_TEST(to_string(ended.status) == "stopped");
  BOOST_TEST(to_string(ended.kind) == "task");
  BOOST_TEST(ended.exit_code.value() == 0);
}

BOOST_AUTO_TEST_CASE(what_a_task_throws_is_its_failure) {
  auto& pm = open();
  value_of(pm.start_async_task(
    [] { throw std::runtime_error{"no disk"}; },
    {.handle_id = "bad", .restart = pm::restart_mode::never}));
  auto ended = value_of(pm.wait_for_process("bad"));
  BOOST_TEST(to_string(ended.status) == "failed");
  BOOST_TEST(ended.exit_code.value() == 1);
  BOOST_REQUIRE(ended.failure.has_value());
  BOOST_TEST(ended.failure->type == "std::runtime_error");
  BOOST_TEST(ended.failure->message == "no disk");
}

BOOST_AUTO_TEST_CASE(a_failing_task_is_restarted_by_policy_until_it_gives_up) {
  auto& pm = open();
  std::atomic<int> lives{0};
  value_of(pm.start_async_task(
    [&lives] {
      ++lives;
      throw std::runtime_error{"again"};
    },
    {.handle_id = "flaky"}));
  BOOST_TEST(wait_until([&] {
    return to_string(value_of(pm.get_status("flaky")).status) == "failed";
  }));
  BOOST_TEST(lives == 5); // start_limit
  BOOST_TEST(value_of(pm.get_status("flaky")).restart_count == 4);
}

BOOST_AUTO_TEST_CASE(a_coroutine_is_cancelled_where_it_waits) {
  auto& pm = open();
  std::atomic<bool> was_told{false};
  value_of(pm.start_async_task(
    [&was_told]() -> pm::async<void> {
      auto slept = co_await pm::sleep_for(1000s);
      was_told = !slept;
    },
    {.handle_id = "sleeper"}));
  BOOST_TEST(value_of(pm.stop_process("sleeper")));
  BOOST_TEST(was_told);
  BOOST_TEST(value_of(pm.get_status("sleeper")).exit_code.value() == 0);
}

BOOST_AUTO_TEST_CASE(
  a_task_that_takes_too_long_is_asked_to_stop_and_has_failed) {
  auto& pm = open();
  std::atomic<bool> was_told{false};
  value_of(pm.start_async_task(
    [&was_told]() -> pm::async<void> {
      auto slept = co_await pm::sleep_for(1000s);
      was_told = !slept;
    },
    {.handle_id = "slow",
     .restart = pm::restart_mode::never,
     .timeout = 50ms}));
  value_of(pm.start_async_task(
    [](std::stop_token stopped) {
      while (!stopped.stop_requested())
        std::this_thread::sleep_for(1ms);
    },
    {.handle_id = "hog", .restart = pm::restart_mode::never, .timeout = 50ms}));
  for (auto name : {"slow", "hog"}) {
    auto ended = value_of(pm.wait_for_process(name));
    BOOST_TEST(to_string(ended.status) == "failed");
    BOOST_TEST(to_string(ended.reason.value()) == "timeout");
    BOOST_REQUIRE(ended.failure.has_value());
    BOOST_TEST(ended.failure->type == "pm.Timeout");
    BOOST_TEST(ended.failure->message == "it took longer than 50ms");
  }
  BOOST_TEST(was_told);
}

BOOST_AUTO_TEST_CASE(each_time_of_a_task_has_its_timeout) {
  auto& pm = open();
  std::atomic<int> times{0};
  value_of(pm.start_async_task(
    [&times]() -> pm::async<void> {
      if (++times % 20 == 0) // once in a while
        co_await pm::sleep_for(1000s);
    },
    {.handle_id = "tick", .timeout = 100ms}, 10ms));
  // In all it takes longer than that; one time is overdue, and policy begins
  // it again.
  BOOST_TEST(wait_until([&] { return times > 45; }));
  auto tick = value_of(pm.get_status("tick"));
  BOOST_TEST(tick.restart_count == 2);
  BOOST_TEST(to_string(tick.status) == "running");
}

BOOST_AUTO_TEST_CASE(a_coroutine_runs_commands_and_goes_on_in_its_thread) {
  auto& pm = open();
  std::atomic<bool> same_thread{false};
  std::string said;
  value_of(pm.start_async_task(
    [&]() -> pm::async<void> {
      auto before = std::this_thread::get_id();
      auto result = co_await pm.run_cli({"echo", "hello"});
      said = result->stdout_text;
      same_thread = before == std::this_thread::get_id();
    },
    {.handle_id = "worker"}));
  value_of(pm.wait_for_process("worker"));
  BOOST_TEST(said == "hello\n");
  BOOST_TEST(same_thread);
}

BOOST_AUTO_TEST_CASE(tasks_and_commands_stand_in_one_graph) {
  auto& pm = open();
  auto file = directory.file("prepared");
  pm::process_definition prepare;
  prepare.handle_id = "prepare";
  prepare.spec.command = {"sh", "-c", "sleep 0.2; echo done > " + file};
  prepare.spec.restart = pm::restart_mode::never;
  pm::process_definition work;
  work.handle_id = "work";
  auto completed = pm::dependency_condition::completed;
  work.spec.depends_on["prepare"].condition = completed;
  pm::process_definition after = prepare;
  after.handle_id = "after";
  after.spec.command = {"echo", "after"};
  after.spec.depends_on["work"].condition = completed;
  std::atomic<bool> was_prepared{false};
  pm::task_plan plan{
    [&] { was_prepared = std::filesystem::file_size(file) > 0; }, {}, {}};
  value_of(pm.start_process(prepare));
  auto working = pm.start_async_task(plan, work);
  BOOST_TEST(!working.is_done()); // it waits for its turn
  value_of(working);
  value_of(pm.start_process(after));
  BOOST_TEST(was_prepared);
  auto ended = value_of(pm.wait_for_process("after"));
  BOOST_TEST((*ended.started_at >= *value_of(pm.get_status("work")).ended_at));
}

BOOST_AUTO_TEST_CASE(a_stop_token_ends_a_loop) {
  auto& pm = open();
  std::atomic<bool> in_loop{false};
  value_of(pm.start_async_task(
    [&in_loop](std::stop_token stopped) {
      while (!stopped.stop_requested()) {
        in_loop = true;
        std::this_thread::sleep_for(1ms);
      }
    },
    {.handle_id = "loop"}));
  BOOST_TEST(wait_until([&] { return in_loop.load(); }));
  BOOST_TEST(value_of(pm.stop_process("loop")));
}

BOOST_AUTO_TEST_CASE(
  a_task_that_blocks_its_thread_is_told_of_and_harms_nobody) {
  auto& pm = open();
  std::atomic<bool> go_on{false};
  value_of(pm.start_async_task(
    [&go_on] {
      while (!go_on)
        std::this_thread::sleep_for(1ms);
    },
    {.handle_id = "hog"}));
  std::atomic<int> ticks{0};
  value_of(
    pm.start_async_task([&ticks] { ++ticks; }, {.handle_id = "tick"}, 5ms));
  BOOST_TEST(wait_until([&] { return ticks > 3; }));
  BOOST_TEST(was_noted("task 'hog' blocks its thread"));
  // It cannot be killed; it is given up, and says so.
  BOOST_TEST(value_of(pm.stop_process("hog", {.force = true})));
  auto hog = value_of(pm.get_status("hog"));
  BOOST_TEST(hog.exit_signal.value() == "KILL");
  BOOST_TEST(hog.failure->type == "pm.Abandoned");
  go_on = true;
  manager.reset(); // waits for both, which use what is here
}

BOOST_AUTO_TEST_CASE(a_stop_reaches_a_coroutine_before_and_while_it_waits) {
  auto& pm = open();
  std::atomic<bool> is_in{false};
  std::atomic<bool> may_go{false};
  value_of(pm.start_async_task(
    [&]() -> pm::async<void> {
      is_in = true;
      while (!may_go)
        std::this_thread::sleep_for(1ms);
      co_await pm::sleep_for(1000s);
    },
    {.handle_id = "early"}));
  BOOST_REQUIRE(wait_until([&] { return is_in.load(); }));
  auto early = pm.stop_process("early");
  BOOST_REQUIRE(wait_until([&] {
    return to_string(value_of(pm.get_status("early")).status) == "stopping";
  }));
  may_go = true;
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "web"}));
  value_of(pm.start_async_task(
    [&pm]() -> pm::async<void> { co_await pm.wait_for_process("web"); },
    {.handle_id = "waiter"}));
  for (auto stopped : {early, pm.stop_process("waiter")})
    BOOST_TEST(value_of(stopped));
  for (auto name : {"early", "waiter"})
    BOOST_TEST(value_of(pm.get_status(name)).exit_code.value() == 0);
}

BOOST_AUTO_TEST_CASE(a_refused_start_leaves_the_task_as_it_is) {
  auto& pm = open();
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  std::atomic<bool> may_fail{false};
  value_of(pm.start_async_task(
    [&] {
      if (++first > 1)
        return;
      while (!may_fail)
        std::this_thread::sleep_for(1ms);
      throw std::runtime_error{"again"};
    },
    {.handle_id = "one"}));
  auto refused = pm.start_async_task([&] { ++second; }, {.handle_id = "one"});
  BOOST_TEST(to_string(error_of(refused).code) == "already_running");
  may_fail = true;
  BOOST_TEST(to_string(value_of(pm.wait_for_process("one")).status)
             == "stopped");
  BOOST_TEST(first == 2);
  BOOST_TEST(second == 0);
  auto never = pm.start_async_task([] {}, {.handle_id = "x"}, 0ms);
  BOOST_TEST(to_string(error_of(never).code) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(a_removed_task_lets_go_of_what_it_held) {
  auto& pm = open();
  auto held = std::make_shared<int>(1);
  value_of(pm.start_async_task([held] {}, {.handle_id = "holder"}));
  value_of(pm.wait_for_process("holder"));
  value_of(pm.cleanup_dead_processes());
  BOOST_TEST(wait_until([&] { return held.use_count() == 1; }));
}

BOOST_AUTO_TEST_CASE(an_actor_that_cannot_be_made_is_a_failure) {
  auto& pm = open();
  value_of(pm.start_async_task(
    [](caf::actor_system&) -> caf::actor {
      throw std::runtime_error{"no room"};
    },
    {.handle_id = "stillborn", .restart = pm::restart_mode::never}));
  auto ended = value_of(pm.wait_for_process("stillborn"));
  BOOST_TEST(to_string(ended.status) == "failed");
  BOOST_REQUIRE(ended.failure.has_value());
  BOOST_TEST(ended.failure->message == "no room");
}

// What the program has written never runs where the manager does.
BOOST_AUTO_TEST_CASE(what_a_task_brings_holds_nobody_up) {
  auto& pm = open();
  auto asks = [&pm] { return pm.list_processes().get_for(20s).has_value(); };
  std::atomic<int> answers{0};
  struct last_word {
    std::function<void()> fn;
    ~last_word() { fn(); }
  };
  auto word = std::make_shared<last_word>();
  word->fn = [&] { answers += asks(); };
  value_of(pm.start_async_task(
    [&, word](caf::actor_system& of) {
      answers += asks();
      return of.spawn(
        [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
    },
    {.handle_id = "actor"}));
  word.reset();
  value_of(pm.start_async_task(
    [&](std::stop_token stopped) {
      std::stop_callback hears{stopped, [&] { answers += asks(); }};
      while (!stopped.stop_requested())
        std::this_thread::sleep_for(1ms);
    },
    {.handle_id = "hears"}));
  BOOST_TEST(wait_until([&] { return answers == 1; }));
  value_of(pm.stop_process("hears"));
  value_of(pm.stop_process("actor"));
  value_of(pm.cleanup_dead_processes());
  BOOST_TEST(wait_until([&] { return answers == 3; }));
}

// It waits for something of the host's, and is given up on.
BOOST_AUTO_TEST_CASE(a_coroutine_comes_back_when_the_manager_is_gone) {
  auto& pm = open();
  pm::async<int> mine;
  std::atomic<int> got{0};
  value_of(pm.start_async_task(
    [&, mine]() -> pm::async<void> {
      auto x = co_await mine;
      got = x ? *x : -1;
    },
    {.handle_id = "late"}));
  BOOST_TEST(wait_until([&] {
    std::lock_guard guard{mine.shared()->mutex};
    return !mine.shared()->continuations.empty();
  }));
  value_of(pm.stop_process("late", {.force = true}));
  manager.reset();
  mine.shared()->complete(5);
  BOOST_TEST(wait_until([&] { return got != 0; }));
}

BOOST_AUTO_TEST_CASE(an_actor_is_a_task) {
  auto& pm = open();
  value_of(pm.start_async_task(
    [](caf::actor_system& in) {
      return in.spawn([](caf::event_based_actor*) -> caf::behavior {
        return {[](int x) { return x; }};
      });
    },
    {.handle_id = "actor"}));
  BOOST_TEST(to_string(value_of(pm.get_status("actor")).status) == "running");
  BOOST_TEST(value_of(pm.stop_process("actor")));
  BOOST_TEST(value_of(pm.get_status("actor")).exit_code.value() == 0);
}

BOOST_AUTO_TEST_CASE(a_task_of_a_program_that_is_gone_is_not_running) {
  auto& pm = open();
  value_of(pm.start_async_task(
    []() -> pm::async<void> { co_await pm::sleep_for(1000s); },
    {.handle_id = "mine"}));
  auto& next = open();
  BOOST_TEST(to_string(value_of(next.get_status("mine")).status) == "stopped");
  auto why = error_of(next.start_process(
    {.handle_id = "other", .spec = {.kind = pm::kind::task}}));
  BOOST_TEST(why.text.find("this program has no task of that name")
             != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
