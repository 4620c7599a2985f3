#include "test/facade/facade_fixture.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <unistd.h>

// Functions of this program, in warm workers and in processes of their own.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct point {
  int x = 0;
  std::optional<std::string> label;

  bool operator==(const point&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& self, Visit&& visit) {
    return visit(pm::field("x", self.x), pm::field("label", self.label));
  }
};

int add(int a, int b) {
  return a + b;
}

std::vector<point> spread(point from, std::map<std::string, double> steps) {
  std::vector<point> result;
  for (auto& [name, step] : steps)
    result.push_back({from.x + static_cast<int>(step), name});
  return result;
}

void print_and_throw() {
  std::puts("about to fail");
  throw std::out_of_range{"no such row"};
}

int own_pid() {
  return static_cast<int>(::getpid());
}

void die() {
  ::raise(SIGKILL);
}

void hang() {
  for (;;)
    ::pause();
}

std::string wait_for_stop(std::stop_token stopped) {
  std::puts("waiting");
  std::fflush(stdout);
  while (!stopped.stop_requested())
    std::this_thread::sleep_for(1ms);
  return "stopped in order";
}

std::string big(int size) {
  return std::string(static_cast<size_t>(size), 'x');
}

// Writes nonsense where it should not.
void garbage() {
  for (int fd = 3; fd < 20; ++fd)
    (void)!::write(fd, "nonsense nonsense nonsense", 26);
  ::_exit(0);
}

// values_test.cpp has one of this name too.
int same_name(int x) {
  return x + 2;
}

// Ends of SIGTERM as any program.
void sleep_long() {
  ::sleep(1000);
}

const auto named_is_registered = pm::register_function("named.add", add);

} // namespace

BOOST_FIXTURE_TEST_SUITE(function_calls, facade_fixture)

BOOST_AUTO_TEST_CASE(a_function_is_called_with_values_and_gives_one) {
  auto& pm = open();
  BOOST_TEST(value_of(pm.run_function<add>(2, 3)) == 5);
  auto points = value_of(pm.run_function<spread>(
    point{1, {}}, std::map<std::string, double>{{"far", 9}, {"near", 2}}));
  BOOST_TEST((points == std::vector<point>{{10, "far"}, {3, "near"}}));
  BOOST_TEST(named_is_registered);
  BOOST_TEST(
    value_of(pm.run_function("named.add", pm::arguments(4, 5))).value.text
    == "9");
}

BOOST_AUTO_TEST_CASE(it_runs_in_a_warm_process_of_its_own) {
  auto& pm = open();
  auto first = value_of(pm.run_function<own_pid>());
  BOOST_TEST(first != static_cast<int>(::getpid()));
  BOOST_TEST(value_of(pm.run_function<own_pid>()) == first);
}

BOOST_AUTO_TEST_CASE(what_it_throws_comes_back_by_type_and_text) {
  auto& pm = open();
  auto why = error_of(pm.run_function<print_and_throw>());
  BOOST_TEST(to_string(why.code) == "call_failed");
  BOOST_TEST(why.text.find("std::out_of_range: no such row; it said: about to "
                           "fail\n")
               != std::string::npos,
             why.text);
}

BOOST_AUTO_TEST_CASE(arguments_that_do_not_fit_are_told) {
  auto& pm = open();
  auto fails = [&](std::string args) {
    return error_of(pm.run_function("named.add", args)).text;
  };
  BOOST_TEST(fails("[1]").find("2 arguments expected, not 1")
             != std::string::npos);
  BOOST_TEST(fails(R"([1, "x"])").find("args[1]: a whole number expected")
             != std::string::npos);
  BOOST_TEST(error_of(pm.run_function("nothing"))
               .text.find("this program has no function 'nothing'")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_takes_its_own_call_and_no_other) {
  auto& pm = open();
  std::vector<pm::async<int>> good;
  std::vector<pm::async<void>> bad;
  for (int i = 0; i < 40; ++i) {
    good.push_back(pm.run_function<add>(i, i));
    if (i % 20 == 0)
      bad.push_back(pm.run_function<die>());
  }
  for (int i = 0; i < 40; ++i)
    BOOST_TEST(value_of(good[static_cast<size_t>(i)]) == 2 * i);
  for (auto& x : bad)
    BOOST_TEST(error_of(x).text.find("signal 9 (KILL)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_call_that_keeps_killing_workers_is_refused) {
  auto& pm = open();
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(error_of(pm.run_function<die>()).text.find("signal 9")
               != std::string::npos);
  BOOST_TEST(error_of(pm.run_function<die>())
               .text.find("this call has killed 3 workers; it is refused")
             != std::string::npos);
  BOOST_TEST(value_of(pm.run_function<add>(1, 1)) == 2);
}

BOOST_AUTO_TEST_CASE(a_call_has_a_time_limit_and_can_be_cancelled) {
  auto& pm = open();
  auto late = error_of(
    pm.run_function<hang>(pm::function_call_options{.timeout = 100ms}));
  BOOST_TEST(to_string(late.code) == "timeout");
  auto endless = pm.run_function<hang>();
  BOOST_TEST(value_of(pm.run_function<add>(1, 2)) == 3);
  endless.cancel();
  BOOST_TEST(to_string(error_of(endless).code) == "cancelled");
}

// More calls than workers, with limits that pass while they wait.
BOOST_AUTO_TEST_CASE(calls_that_wait_for_a_worker_have_their_time_limit_too) {
  auto& pm = open();
  std::vector<pm::async<void>> hogs;
  for (int i = 0; i < 4; ++i)
    hogs.push_back(pm.run_function<hang>());
  auto waiting =
    pm.run_function<add>(pm::function_call_options{.timeout = 100ms}, 1, 2);
  auto why = error_of(waiting);
  BOOST_TEST(to_string(why.code) == "timeout");
  for (auto& x : hogs)
    x.cancel();
  BOOST_TEST(value_of(pm.run_function<add>(1, 2)) == 3);
}

BOOST_AUTO_TEST_CASE(garbage_and_giants_are_errors_of_their_own_call) {
  auto& pm = open();
  auto nonsense = error_of(pm.run_function<garbage>());
  BOOST_TEST(to_string(nonsense.code) == "call_failed");
  auto large = error_of(pm.run_function<big>(17 << 20));
  BOOST_TEST(large.text.find("the result has") != std::string::npos);
  BOOST_TEST(value_of(pm.run_function<big>(8 << 20)).size() == 8u << 20);
  auto too_much = error_of(
    pm.run_function("named.add", "[\"" + std::string(17 << 20, 'x') + "\"]"));
  BOOST_TEST(to_string(too_much.code) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(a_background_function_keeps_its_result_and_log) {
  auto& pm = open(pm::on_exit::leave);
  auto job = value_of(pm.start_function_background<wait_for_stop>(
    {.handle_id = "job", .restart = pm::restart_mode::never}));
  BOOST_TEST(
    wait_until([&] { return read_file(job.log_file) == "waiting\n"; }));
  // Another program, which asks it to stop and finds the result.
  auto& later = open();
  BOOST_TEST(value_of(later.stop_process("job")));
  auto ended = value_of(later.get_status("job"));
  BOOST_TEST(to_string(ended.status) == "stopped");
  BOOST_TEST(ended.exit_code.value() == 0);
  BOOST_TEST(ended.result.value().text == "\"stopped in order\"");
  BOOST_TEST(!std::ifstream{later.state_dir() + "/calls/" + ended.run_id});
}

// It ends while no manager is there.
BOOST_AUTO_TEST_CASE(a_result_that_came_while_nobody_was_there_is_found) {
  auto& pm = open(pm::on_exit::leave);
  value_of(pm.start_function_background<add>(
    {.handle_id = "sum", .restart = pm::restart_mode::never}, 20, 22));
  auto& later = open();
  auto ended = value_of(later.wait_for_process("sum"));
  BOOST_TEST(ended.result.value().text == "42");
}

BOOST_AUTO_TEST_CASE(a_background_function_that_throws_has_failed) {
  auto& pm = open();
  value_of(pm.start_function_background<print_and_throw>(
    {.handle_id = "bad", .restart = pm::restart_mode::never}));
  auto ended = value_of(pm.wait_for_process("bad"));
  BOOST_TEST(to_string(ended.status) == "failed");
  BOOST_TEST(ended.exit_code.value() == 1);
  BOOST_TEST(ended.failure.value().type == "std::out_of_range");
  auto log = read_file(ended.log_file); // the two streams in any order
  BOOST_TEST(log.find("about to fail\n") != std::string::npos);
  BOOST_TEST(log.find("std::out_of_range: no such row\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_function_that_takes_no_stop_token_ends_of_the_signal) {
  auto& pm = open();
  value_of(pm.start_function_background<sleep_long>({.handle_id = "deaf"}));
  auto& directory = pm.state_dir();
  auto pid = *value_of(pm.get_status("deaf")).pid;
  // It is within the function once it sleeps there.
  BOOST_REQUIRE(wait_until([&] {
    return read_file(fmt::format("/proc/{}/wchan", pid)).find("nanosleep")
           != std::string::npos;
  }));
  auto from = std::chrono::steady_clock::now();
  BOOST_TEST(value_of(pm.stop_process("deaf")));
  BOOST_TEST((std::chrono::steady_clock::now() - from < 5s));
  BOOST_TEST(value_of(pm.get_status("deaf")).exit_signal.value() == "TERM");
  BOOST_TEST(!directory.empty());
}

BOOST_AUTO_TEST_CASE(two_functions_of_one_name_are_told) {
  auto& pm = open();
  auto why = error_of(pm.run_function<same_name>(1)).text;
  BOOST_TEST(why.find("'{anonymous}::same_name'") != std::string::npos, why);
}

// Its worker is not even born.
BOOST_AUTO_TEST_CASE(a_call_that_is_withdrawn_at_once_leaves_no_worker) {
  auto& pm = open();
  for (int i = 0; i < 3; ++i) {
    auto hanging = pm.run_function<hang>();
    hanging.cancel();
    BOOST_TEST(to_string(error_of(hanging).code) == "cancelled");
    auto late = pm.run_function<hang>(pm::function_call_options{1ms});
    BOOST_TEST(to_string(error_of(late).code) == "timeout");
    BOOST_TEST(error_of(late).text.find("1ms") != std::string::npos);
  }
  auto keeper = std::stoi(read_file(pm.state_dir() + "/keeper.pid"));
  manager.reset();
  BOOST_TEST(!was_noted("the workers of calls do not end"));
  BOOST_TEST(wait_until([&] { return !process_exists(keeper); })); // all gone
}

BOOST_AUTO_TEST_CASE(no_worker_outlives_its_manager) {
  auto& pm = open();
  auto pid = value_of(pm.run_function<own_pid>());
  auto hanging = pm.run_function<hang>();
  BOOST_TEST(process_exists(pid));
  manager.reset();
  BOOST_TEST(!process_exists(pid));
  BOOST_TEST(to_string(error_of(hanging).code) == "shutting_down");
}

BOOST_AUTO_TEST_SUITE_END()
