#include "test/facade/facade_fixture.hpp"

#include <atomic>
#include <fstream>
#include <thread>

#include <caf/event_based_actor.hpp>

// What a program asks of the manager that it embeds, one example after the
// other.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

// What the examples call in processes of their own.
void stream_logs(std::string profile, std::map<std::string, int> config) {
  std::printf("streaming %s every %d s\n", profile.c_str(), config["period"]);
  std::fflush(stdout);
  for (;;)
    std::this_thread::sleep_for(1s);
}

pm::async<std::string> ask_twice(pm::process_manager& pm) {
  auto first = co_await pm.run_cli({"echo", "one"}, {.handle_id = "first"});
  auto second = co_await pm.run_cli({"echo", "two"});
  co_return first->stdout_text + second->stdout_text;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(facade, facade_fixture)

BOOST_AUTO_TEST_CASE(a_command_gives_its_output_code_and_duration) {
  auto& pm = open();
  auto result = value_of(
    pm.run_cli({"sh", "-c", "echo out; echo err >&2; sleep 0.05; exit 3"}));
  BOOST_TEST(result.stdout_text == "out\n");
  BOOST_TEST(result.stderr_text == "err\n");
  BOOST_TEST(result.exit.code.value() == 3);
  BOOST_TEST(!result.success());
  BOOST_TEST(result.duration.count() >= 50);
}

BOOST_AUTO_TEST_CASE(a_command_gets_input_environment_and_directory) {
  auto& pm = open();
  std::string input(300'000, 'x');
  std::map<std::string, std::string> variables{{"NAME", "pm"}};
  auto result = value_of(pm.run_cli(
    {"sh", "-c", "wc -c; echo $NAME; pwd"},
    {.working_dir = "/usr", .environment = variables, .input = input}));
  BOOST_TEST(result.stdout_text == "300000\npm\n/usr\n");
}

BOOST_AUTO_TEST_CASE(a_time_limit_and_a_cancellation_end_a_command) {
  auto& pm = open();
  auto late = value_of(pm.run_cli({"sleep", "1000"}, {.timeout = 100ms}));
  BOOST_TEST(to_string(late.exit.reason) == "timeout");
  auto running = pm.run_cli({"sleep", "1000"}, {.handle_id = "long"});
  value_of(pm.wait_for_process("long", pm::wait_target::started));
  running.cancel();
  auto ended = running.get_for(20s);
  BOOST_REQUIRE(ended.has_value());
  BOOST_TEST(wait_until([&] { return value_of(pm.list_processes()).empty(); }));
}

BOOST_AUTO_TEST_CASE(a_cancellation_ends_its_own_run_and_no_other) {
  auto& pm = open();
  auto pid =
    *value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "web"}))
       .pid;
  auto refused = pm.run_cli({"true"}, {.handle_id = "web"});
  refused.cancel();
  BOOST_TEST(to_string(error_of(refused).code) == "already_exists");
  // Behind the cancellation.
  BOOST_TEST(*value_of(pm.get_status("web")).pid == pid);
  BOOST_TEST(value_of(pm.run_cli({"true"})).exit.code.value() == 0);
  BOOST_TEST(to_string(value_of(pm.get_status("web")).status) == "running");
}

BOOST_AUTO_TEST_CASE(no_time_is_too_long) {
  auto& pm = open();
  constexpr auto most = std::chrono::milliseconds::max();
  BOOST_TEST(value_of(pm.run_cli({"true"}, {.timeout = most})).exit.code.value()
             == 0);
  auto waits = pm.wait_for_process("nobody", pm::wait_target::ended, most);
  BOOST_TEST(to_string(error_of(waits).code) == "no_such_process");
}

BOOST_AUTO_TEST_CASE(a_wait_can_be_withdrawn) {
  auto& pm = open();
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "web"}));
  auto waits = pm.wait_for_process("web");
  waits.cancel();
  BOOST_TEST(to_string(error_of(waits).code) == "cancelled");
  BOOST_TEST(to_string(value_of(pm.get_status("web")).status) == "running");
}

BOOST_AUTO_TEST_CASE(a_continuation_that_throws_is_its_own_affair) {
  pm::async<int> x;
  int told = 0;
  x.then([](const caf::expected<int>&) { throw std::runtime_error{"mine"}; });
  x.then([&](const caf::expected<int>& y) { told = *y; });
  BOOST_CHECK_THROW(x.shared()->complete(3), std::runtime_error);
  BOOST_TEST(told == 3);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_run_is_told) {
  auto& pm = open();
  auto why = error_of(pm.run_cli({"/no/such/program"}));
  BOOST_TEST(to_string(why.code) == "spawn_failed");
  BOOST_TEST(why.text.find("/no/such/program") != std::string::npos);
  BOOST_TEST(to_string(error_of(pm.run_cli({})).code) == "invalid_argument");
  BOOST_TEST(to_string(error_of(pm.stop_process("nobody")).code)
             == "no_such_process");
}

// The whole of it, and then another program that finds all by name.
BOOST_AUTO_TEST_CASE(another_program_finds_and_stops_what_runs_by_name) {
  auto& pm = open(pm::on_exit::leave);
  auto log = directory.file("web.log");
  std::map<std::string, std::string> labels{{"team", "core"}};
  auto web = value_of(pm.start_cli_background(
    {"sh", "-c", "echo serving; exec sleep 1000"},
    {.handle_id = "web", .log_file = log, .labels = labels}));
  BOOST_TEST(web.handle_id == "web");
  BOOST_TEST(web.log_file == log);
  auto job = value_of(pm.start_function_background<stream_logs>(
    {.handle_id = "elk-streamer-myenv"}, std::string{"prod"},
    std::map<std::string, int>{{"period", 5}}));
  BOOST_TEST(process_exists(job.pid.value()));
  BOOST_TEST(wait_until([&] {
    return read_file(job.log_file) == "streaming prod every 5 s\n"
           && read_file(log) == "serving\n";
  }));
  std::atomic<int> ticks{0};
  auto tick = value_of(pm.start_async_task(
    [&ticks] { ++ticks; }, {.handle_id = "health-monitor"}, 20ms));
  BOOST_TEST(!tick.pid.has_value());
  BOOST_TEST(wait_until([&] { return ticks >= 3; }));
  BOOST_TEST(value_of(pm.list_processes({.status = pm::status::running})).size()
             == 3u);
  BOOST_TEST(value_of(pm.list_processes({.kind = pm::kind::function})).size()
             == 1u);
  BOOST_TEST((value_of(pm.get_status("web")).pid == web.pid));
  BOOST_TEST(value_of(pm.save_registry()) > 0u);

  auto& later = open(pm::on_exit::leave);
  BOOST_TEST(value_of(later.load_registry()).runs.size() == 2u);
  BOOST_TEST((value_of(later.get_handle("web")).pid == web.pid));
  BOOST_TEST((value_of(later.get_status("elk-streamer-myenv")).pid == job.pid));
  auto task = value_of(later.get_status("health-monitor"));
  BOOST_TEST(to_string(task.status) == "stopped");
  BOOST_TEST(value_of(later.stop_process("web")));
  BOOST_TEST(!value_of(later.stop_process("web")));
  BOOST_TEST(
    value_of(later.stop_process("elk-streamer-myenv", {.force = true})));
  BOOST_TEST(!process_exists(*web.pid));
  BOOST_TEST(!process_exists(*job.pid));
  BOOST_TEST(value_of(later.cleanup_dead_processes()) == 3u);
}

BOOST_AUTO_TEST_CASE(outcomes_are_awaited_continued_or_waited_for) {
  auto& pm = open();
  BOOST_TEST(value_of(ask_twice(pm)) == "one\ntwo\n");
  pm::async<int> told;
  pm.run_cli({"true"}).then([told](const auto& x) {
    told.shared()->complete(x ? x->exit.code.value() : -1);
  });
  BOOST_TEST(value_of(told) == 0);
}

BOOST_AUTO_TEST_CASE(leaving_lets_processes_live_and_stopping_does_not) {
  auto& pm = open(pm::on_exit::leave);
  auto one = value_of(pm.start_cli_background({"sleep", "1000"}));
  open(pm::on_exit::stop);
  BOOST_TEST(process_exists(*one.pid));
  manager.reset();
  BOOST_TEST(!process_exists(*one.pid));
}

BOOST_AUTO_TEST_CASE(what_ended_meanwhile_is_never_shown_as_running) {
  auto& pm = open(pm::on_exit::leave);
  auto script = fmt::format("while [ ! -e {} ]; do sleep 0.01; done; exit 3",
                            directory.file("go"));
  auto pid =
    *value_of(pm.start_cli_background(
                {"sh", "-c", script},
                {.handle_id = "short", .restart = pm::restart_mode::never}))
       .pid;
  manager.reset();
  std::ofstream{directory.file("go")} << "go";
  BOOST_REQUIRE(wait_until([&] { return !process_exists(pid); }));
  auto& next = open();
  BOOST_TEST(to_string(value_of(next.get_status("short")).status) != "running");
  BOOST_TEST(value_of(next.wait_for_process("short")).exit_code.value() == 3);
}

BOOST_AUTO_TEST_CASE(a_request_that_outlives_its_manager_is_told_so) {
  auto& pm = open();
  auto waiting = pm.run_cli({"sleep", "1000"}, {.handle_id = "long"});
  value_of(pm.wait_for_process("long", pm::wait_target::started));
  auto never = pm.wait_for_process("long", pm::wait_target::failed);
  manager.reset(); // it stops what runs
  BOOST_TEST(value_of(waiting).exit.signal.value() == 15);
  BOOST_TEST((never.get_for(20s).has_value()));
}

// As in the facade, so for actors: a request is answered.
BOOST_AUTO_TEST_CASE(an_actor_is_told_that_the_manager_is_gone) {
  auto& pm = open(pm::on_exit::leave);
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "s"}));
  std::atomic<int> told{0};
  system->spawn([&, asked = pm.manager()](caf::event_based_actor* self) {
    auto badly = [&](const caf::error& why) {
      told += pm::from_caf(why).code == pm::ec::shutting_down;
    };
    self
      ->request(asked, caf::infinite, pm::wait_atom::value, std::string{"s"},
                pm::wait_target::ended)
      .then([](const pm::process_view&) {}, badly);
    pm::run_request what;
    what.spec.command = {"sleep", "1000"};
    self
      ->request(asked, caf::infinite, pm::run_atom::value, what,
                pm::output_listener{}, pm::request_context{})
      .then([](const pm::process_result&) {}, badly);
  });
  BOOST_TEST(wait_until([&] {
    return value_of(pm.list_processes({.status = pm::status::running})).size()
           == 2u;
  }));
  manager.reset();
  BOOST_TEST(wait_until([&] { return told == 2; }));
}

// The last word comes where all others do.
BOOST_AUTO_TEST_CASE(a_continuation_may_hold_up_no_end_of_a_manager) {
  auto& pm = open();
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "s"}));
  std::mutex held;
  std::atomic<bool> was_told{false};
  pm.wait_for_process("s", pm::wait_target::failed).then([&](const auto&) {
    std::lock_guard guard{held};
    was_told = true;
  });
  {
    std::lock_guard guard{held};
    manager.reset();
  }
  BOOST_TEST(wait_until([&] { return was_told.load(); }));
}

BOOST_AUTO_TEST_CASE(managers_of_several_directories_live_side_by_side) {
  auto& pm = open();
  auto more = options(pm::on_exit::stop);
  more.state_dir = directory.file("second");
  pm::process_manager second{*system, more};
  BOOST_REQUIRE(!second.problem().has_value());
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "a"}));
  value_of(second.start_cli_background({"sleep", "1000"}, {.handle_id = "b"}));
  BOOST_TEST(value_of(pm.list_processes())[0].handle_id == "a");
  BOOST_TEST(value_of(second.list_processes())[0].handle_id == "b");
}

BOOST_AUTO_TEST_CASE(a_directory_in_use_is_a_problem_that_every_request_tells) {
  open();
  pm::process_manager second{*system, options(pm::on_exit::leave)};
  BOOST_REQUIRE(second.problem().has_value());
  BOOST_TEST(to_string(second.problem()->code) == "locked");
  BOOST_TEST(to_string(error_of(second.run_cli({"true"})).code) == "locked");
  BOOST_TEST(to_string(error_of(second.run_python("os:getpid")).code)
             == "locked");
}

// 64 threads use one manager.
BOOST_AUTO_TEST_CASE(many_threads_share_a_manager) {
  auto& pm = open();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i)
    threads.emplace_back([&pm, &good, i] {
      auto id = "t" + std::to_string(i);
      auto ran = pm.run_cli({"echo", id}).get();
      auto kept =
        pm.start_cli_background({"sleep", "1000"}, {.handle_id = id}).get();
      auto seen = pm.get_status(id).get();
      auto stopped = pm.stop_process(id, {.force = true}).get();
      good += ran && ran->stdout_text == id + "\n" && kept && seen && stopped
              && *stopped;
    });
  for (auto& x : threads)
    x.join();
  BOOST_TEST(good == 64);
}

BOOST_AUTO_TEST_SUITE_END()
