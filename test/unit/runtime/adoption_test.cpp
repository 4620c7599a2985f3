#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/wait.h>

#include "test/unit/runtime/host_fixture.hpp"

// The keeper's client when one of the two sides goes away.

namespace pm::test {

using namespace std::chrono_literals;

namespace {

struct adoption_fixture : host_fixture {
  // Lets go of the host, as the death of its node would, and makes a new one.
  void drop_and_connect() {
    host.reset();
    host = connect();
  }

  std::shared_ptr<told_run> adopt(const spawn_request& what) {
    auto told = std::make_shared<told_run>();
    runs[what.run_id] = told;
    host->adopt(what, told);
    return told;
  }

  std::optional<held_run> held(const spawn_request& what) {
    for (auto& x : host->held())
      if (x.run_id == what.run_id)
        return x;
    return std::nullopt;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(adoption_test, adoption_fixture)

BOOST_AUTO_TEST_CASE(a_new_host_goes_on_with_pid_log_stdin_and_code) {
  auto what =
    shell("echo first; read line; echo \"$line\"; exit 9", output_mode::log);
  what.stdin_pipe = true;
  what.log_file = dir / "web.log";
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return read_file(what.log_file) == "first\n"; }));
  auto keeper = host->keeper_pid();
  drop_and_connect();
  BOOST_TEST(host->keeper_pid() == keeper);
  auto found = held(what);
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST((found->identity == *told->who));
  BOOST_TEST(!found->ended.has_value());
  auto again = adopt(what);
  BOOST_TEST(host->held().empty());
  std::optional<expected<void>> fed;
  host->write_stdin(what.run_id, "second\n", [&](auto x) { fed = x; });
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST((again->exit->exit.code == 9));
  BOOST_TEST(read_file(what.log_file) == "first\nsecond\n");
  BOOST_TEST(again->order == (std::vector<std::string>{"exited"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_ended_without_a_host_is_told_with_its_output) {
  auto what = shell("read line; echo last words; exit 5", output_mode::log);
  what.stdin_pipe = true;
  what.log_file = dir / "web.log";
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  host->write_stdin(what.run_id, "go\n", [](auto) {});
  auto pidfd = open_pidfd(told->who->pid).value();
  loop->run_once(false);
  // Only the keeper sees the end: nothing is read before the drop.
  while (!has_ended(pidfd.get())) {
    ::usleep(1000);
    if (!told->exit)
      loop->run_once(false);
  }
  auto seen = told->exit.has_value();
  drop_and_connect();
  BOOST_TEST(run_until([&] {
    loop->post([] {});
    return held(what) && held(what)->ended;
  }));
  BOOST_TEST((held(what)->ended->exit.code == 5));
  auto again = adopt(what);
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST((again->exit->exit.code == 5));
  if (!seen)
    BOOST_TEST(read_file(what.log_file) == "last words\n");
  acknowledge_all();
  run_for(5ms);
  drop_and_connect();
  BOOST_TEST(host->held().empty());
}

BOOST_AUTO_TEST_CASE(an_end_that_comes_before_the_adoption_is_kept) {
  auto what = shell("read line; echo bye; exit 6", output_mode::log);
  what.stdin_pipe = true;
  what.log_file = dir / "web.log";
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  drop_and_connect();
  BOOST_REQUIRE(held(what).has_value());
  ::kill(told->who->pid, SIGTERM);
  BOOST_TEST(run_until([&] { return held(what)->ended.has_value(); }));
  auto again = adopt(what);
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST((again->exit->exit.signal == SIGTERM));
}

BOOST_AUTO_TEST_CASE(two_hundred_held_runs_come_over_in_batches) {
  std::vector<spawn_request> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(request({"/bin/sleep", "100"}, output_mode::log));
    all.back().log_file = dir / fmt::format("{}.log", i);
    spawn(all.back());
  }
  BOOST_TEST(run_until([&] {
    for (auto& [run, x] : runs)
      if (!x->who)
        return false;
    return true;
  }));
  auto before = runs;
  drop_and_connect();
  BOOST_TEST(host->held().size() == 200u);
  for (auto& what : all) {
    BOOST_REQUIRE(held(what).has_value());
    BOOST_TEST((held(what)->identity == *before[what.run_id]->who));
    adopt(what);
  }
  for (auto& what : all)
    host->signal(what.run_id, SIGTERM, signal_scope::one_process);
  BOOST_TEST(run_until([&] { return all_over(); }));
  for (auto& [run, x] : runs)
    BOOST_TEST((x->exit->exit.signal == SIGTERM));
}

BOOST_AUTO_TEST_CASE(a_lost_keeper_is_told_and_can_be_replaced) {
  auto what = request({"/bin/sleep", "100"}, output_mode::log);
  what.log_file = dir / "web.log";
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  auto old_keeper = host->keeper_pid();
  std::optional<error> lost;
  host->on_lost([&](const error& why) { lost = why; });
  ::kill(old_keeper, SIGKILL);
  BOOST_TEST(run_until([&] { return lost.has_value(); }));
  BOOST_TEST((lost->code == ec::keeper_failed));
  BOOST_TEST(!host->is_connected());
  BOOST_TEST(troubles.size() == 1u);
  auto waits = spawn(shell("exit 5"));
  reconnect();
  BOOST_TEST(run_until([&] { return waits->is_over(); }));
  BOOST_REQUIRE(waits->exit.has_value());
  BOOST_TEST((waits->exit->exit.code == 5));
  BOOST_TEST(host->keeper_pid() != old_keeper);
  auto next = run(shell("exit 4"));
  BOOST_TEST((next->exit->exit.code == 4));
  // The old run lives on, and its end is seen; how, only newer kernels tell.
  BOOST_TEST(!told->is_over());
  host->signal(what.run_id, SIGKILL, signal_scope::one_process);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  auto& how = told->exit->exit;
  BOOST_TEST((how.reason == exit_reason::lost || how.signal == SIGKILL));
}

BOOST_AUTO_TEST_CASE(a_spawn_under_way_fails_when_the_keeper_dies) {
  ::kill(host->keeper_pid(), SIGSTOP);
  auto told = spawn(shell("exit 0"));
  run_for(5ms);
  BOOST_TEST(told->order.empty());
  ::kill(host->keeper_pid(), SIGKILL);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_REQUIRE(told->failure.has_value());
  BOOST_TEST((told->failure->code == ec::keeper_failed));
  reconnect();
}

BOOST_AUTO_TEST_CASE(a_stopped_keeper_fills_the_queue_to_its_bound) {
  host.reset();
  keeper_options options;
  options.state_dir = dir.path();
  options.keeper_path = PM_BIN_DIR "/pm-keeper";
  options.spawn_queue_max = 10;
  host = make_keeper_host(*loop, options).value();
  ::kill(host->keeper_pid(), SIGSTOP);
  auto before = open_descriptors();
  size_t busy = 0;
  auto count_busy = [&] {
    busy = 0;
    for (auto& [run, x] : runs)
      busy += x->failure && x->failure->code == ec::busy;
    return busy;
  };
  for (int i = 0; i < 2000 && count_busy() == 0; ++i) {
    auto what = request({"/bin/true"});
    what.environment.push_back("PAD=" + std::string(10'000, 'p'));
    spawn(what);
    loop->run_once(false);
  }
  BOOST_TEST(count_busy() > 0u);
  BOOST_TEST(host->counters().frames == 10u);
  // Those that wait have no pipes yet, but for the one whose turn it is.
  BOOST_TEST(open_descriptors() - before <= 2 * (runs.size() - busy - 9) + 2);
  ::kill(host->keeper_pid(), SIGCONT);
  BOOST_TEST(run_until([&] { return all_over(); }));
  for (auto& [run, x] : runs)
    BOOST_TEST((x->failure.has_value() || x->exit->exit.code == 0));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
