#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test/unit/runtime/host_fixture.hpp"

// Runs whose keeper dies: with a node that lives, and with both halves gone.

namespace pm::test {

namespace {

struct outliving_fixture : host_fixture {
  bool lost = false;

  outliving_fixture() { watch(); }

  void watch() {
    lost = false;
    host->on_lost([this](const error&) { lost = true; });
  }

  // The keeper dies, and the host comes to the next one.
  void change_keeper() {
    ::kill(host->keeper_pid(), SIGKILL);
    BOOST_REQUIRE(run_until([&] { return lost; }));
    reconnect();
    watch();
  }

  // The node dies too, and another one comes.
  void change_both() {
    auto keeper = host->keeper_pid();
    host.reset();
    kill_keeper(keeper);
    host = connect();
    watch();
  }

  spawn_request logged(std::string script) {
    auto result = shell(std::move(script), output_mode::log);
    result.log_file = dir / "web.log";
    result.working_dir = dir.path();
    return result;
  }

  std::string log() { return read_file(dir / "web.log"); }

  std::shared_ptr<told_run> adopt(const spawn_request& what) {
    auto told = std::make_shared<told_run>();
    runs[what.run_id] = told;
    host->adopt(what, told);
    return told;
  }

  void go() { std::ofstream{dir / "go"} << "now"; }

  // A process that takes the keeper's place, and dies of its first message.
  int listen_and_die() {
    auto path = dir / "dying.sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    BOOST_REQUIRE(path.copy(address.sun_path, sizeof(address.sun_path) - 1)
                  == path.size());
    std::filesystem::remove(dir / "keeper.sock");
    auto child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      auto listener = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
      ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address));
      ::listen(listener, 1);
      ::rename(path.c_str(), (dir / "keeper.sock").c_str());
      char byte = 0;
      (void)::recv(::accept(listener, nullptr, nullptr), &byte, 1, 0);
      ::_exit(0);
    }
    BOOST_REQUIRE(run_until([&] {
      loop->post([] {});
      return std::filesystem::exists(dir / "keeper.sock");
    }));
    return child;
  }

  // Records in keeper.runs, each of 48 bytes.
  size_t recorded() { return read_file(dir / "keeper.runs").size() / 48; }
};

// How a run ended that the keeper had not spawned itself: older kernels do
// not tell.
bool ended_with(const told_run& told, int code) {
  auto& how = told.exit->exit;
  return how.code == code || how.reason == exit_reason::lost;
}

const std::string wait_for_go = "while [ ! -e go ]; do sleep 0.01; done; ";

} // namespace

BOOST_FIXTURE_TEST_SUITE(outliving, outliving_fixture)

BOOST_AUTO_TEST_CASE(
  a_spawn_that_a_dead_keeper_never_read_is_made_by_the_next) {
  ::kill(host->keeper_pid(), SIGSTOP);
  auto told = spawn(logged("echo once"));
  run_for(std::chrono::milliseconds{5});
  change_keeper();
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_REQUIRE(told->exit.has_value());
  BOOST_TEST((told->exit->exit.code == 0));
  BOOST_TEST(log() == "once\n");
}

// A killed keeper's socket outlives its connections for a moment.
BOOST_AUTO_TEST_CASE(a_keeper_that_dies_over_the_greeting_is_not_the_last) {
  ::kill(host->keeper_pid(), SIGKILL);
  BOOST_REQUIRE(run_until([&] { return lost; }));
  auto told = spawn(logged("echo once"));
  auto dying = listen_and_die();
  reconnect();
  BOOST_TEST(::waitpid(dying, nullptr, WNOHANG) == dying);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_TEST(log() == "once\n");
}

BOOST_AUTO_TEST_CASE(only_so_many_spawns_wait_for_the_next_keeper) {
  host.reset();
  host = connect(10);
  watch();
  ::kill(host->keeper_pid(), SIGKILL);
  BOOST_REQUIRE(run_until([&] { return lost; }));
  for (int i = 0; i < 12; ++i)
    spawn(shell("exit 0"));
  reconnect();
  BOOST_TEST(run_until([&] { return all_over(); }));
  size_t busy = 0;
  for (auto& [run, told] : runs)
    busy += told->failure && told->failure->code == ec::busy;
  BOOST_TEST(busy == 2u);
}

BOOST_AUTO_TEST_CASE(the_next_keeper_holds_what_lives_for_the_next_node) {
  auto what = logged("echo one; read x; echo two; exit 7");
  what.stdin_pipe = true;
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return log() == "one\n"; }));
  change_keeper();
  BOOST_TEST(run_until([&] { return recorded() >= 2; }));
  host.reset();
  host = connect();
  auto rows = host->held();
  BOOST_REQUIRE_EQUAL(rows.size(), 1u);
  BOOST_TEST((rows.front().identity == *told->who));
  auto again = adopt(what);
  host->write_stdin(what.run_id, "go\n", [](const expected<void>&) {});
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST(ended_with(*again, 7));
  BOOST_TEST(log() == "one\ntwo\n");
}

BOOST_AUTO_TEST_CASE(a_later_keeper_gives_children_the_limit_of_the_first) {
  auto first = run(shell("ulimit -n"))->exit->stdout_text;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit changed{before.rlim_cur / 2, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &changed);
  change_keeper();
  ::setrlimit(RLIMIT_NOFILE, &before);
  BOOST_TEST(run(shell("ulimit -n"))->exit->stdout_text == first);
}

BOOST_AUTO_TEST_CASE(a_hundred_runs_go_to_the_next_keeper) {
  for (int i = 0; i < 100; ++i)
    spawn(request({"sleep", "1000"}));
  auto all = [&] {
    return std::all_of(runs.begin(), runs.end(),
                       [](auto& x) { return x.second->who.has_value(); });
  };
  BOOST_TEST(run_until(all));
  change_keeper();
  BOOST_TEST(run_until([&] { return recorded() >= 200; }));
  host.reset();
  host = connect();
  BOOST_TEST(host->held().size() == 100u);
  for (auto& [run, told] : runs) {
    auto what = request({"sleep"});
    what.run_id = run;
    host->adopt(what, told);
  }
}

BOOST_AUTO_TEST_CASE(a_run_that_outlives_both_is_proven_and_adopted) {
  auto what = logged("echo one; " + wait_for_go + "echo two; exit 8");
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return log() == "one\n"; }));
  change_both();
  BOOST_TEST(host->held().empty());
  recorded_run stranger{run_id::make(timestamp{milliseconds{1}}), *told->who};
  stranger.identity.start_ticks += 1;
  host->recover({{what.run_id, *told->who}, stranger});
  BOOST_REQUIRE_EQUAL(host->held().size(), 1u);
  auto again = adopt(what);
  go();
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST(ended_with(*again, 8));
  BOOST_TEST(log() == "one\ntwo\n");
}

BOOST_AUTO_TEST_CASE(what_waits_in_the_pipe_of_an_unheld_run_is_not_lost) {
  auto what = logged("echo one; " + wait_for_go
                     + "echo two; touch done; "
                       "exec sleep 1000");
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return log() == "one\n"; }));
  auto keeper = host->keeper_pid();
  host.reset();
  kill_keeper(keeper);
  go(); // it writes while nobody but itself has its pipe
  BOOST_TEST(run_until([&] {
    ::usleep(500);
    loop->post([] {});
    return std::filesystem::exists(dir / "done");
  }));
  host = connect();
  host->recover({{what.run_id, *told->who}});
  adopt(what);
  BOOST_TEST(run_until([&] { return log() == "one\ntwo\n"; }));
}

BOOST_AUTO_TEST_CASE(an_intent_without_a_pid_is_found_in_the_keepers_files) {
  auto what = logged("exec sleep 1000");
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  change_both();
  host->recover({{what.run_id, {}}});
  auto rows = host->held();
  BOOST_REQUIRE_EQUAL(rows.size(), 1u);
  BOOST_TEST((rows.front().identity == *told->who));
  adopt(what);
}

BOOST_AUTO_TEST_CASE(an_exit_that_a_dead_keeper_wrote_down_is_told) {
  auto what = logged(wait_for_go + "exit 9");
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  auto keeper = host->keeper_pid();
  host.reset();
  go();
  BOOST_TEST(run_until([&] {
    ::usleep(500);
    loop->post([] {});
    return read_file(dir / "keeper.exits").size() == 48;
  }));
  kill_keeper(keeper);
  host = connect();
  host->recover({{what.run_id, *told->who}});
  BOOST_REQUIRE_EQUAL(host->held().size(), 1u);
  BOOST_REQUIRE(host->held().front().ended.has_value());
  auto again = adopt(what);
  BOOST_TEST(run_until([&] { return again->is_over(); }));
  BOOST_TEST((again->exit->exit.code == 9));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
