#include <boost/test/unit_test.hpp>

#include <csignal>
#include <future>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <pm/loop_scheduler.hpp>
#include <pm/node.hpp>

#include "test/support/daemon_fixture.hpp"

// The same supervisors, once on a loop that is also the scheduler of all, once
// on the thread of their own that they get in a host with another scheduler;
// with a real keeper both times.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

pm::node_options options_for(const std::string& state_dir) {
  pm::node_options options;
  options.state_dir = state_dir;
  options.keeper_path = program("pm-keeper");
  return options;
}

void run_once(caf::scoped_actor& self, const pm::manager_actor& manager) {
  pm::run_request what;
  what.spec.command = {"sh", "-c", "echo out; echo err >&2; exit 3"};
  self
    ->request(manager, 30s, pm::run_atom::value, what, pm::output_listener{},
              pm::request_context{})
    .receive(
      [](const pm::process_result& result) {
        BOOST_TEST(result.stdout_text == "out\n");
        BOOST_TEST(result.stderr_text == "err\n");
        BOOST_TEST(result.exit.code.value() == 3);
      },
      [](const caf::error& why) { BOOST_ERROR(pm::from_caf(why).text); });
}

// What a client does; every answer must come.
void use(caf::actor_system& system, const pm::manager_actor& manager) {
  caf::scoped_actor self{system};
  auto fail = [](const caf::error& why) {
    BOOST_ERROR(pm::from_caf(why).text);
  };
  for (int i = 0; i < 20; ++i)
    run_once(self, manager);
  pm::process_definition web;
  web.handle_id = "web";
  web.spec.command = {"sleep", "1000"};
  auto pid = 0;
  self
    ->request(manager, 30s, pm::define_atom::value, web, true,
              pm::request_context{})
    .receive(
      [&](const pm::change_outcome& outcome) {
        BOOST_TEST(to_string(outcome.process.status) == "running");
        pid = outcome.process.pid.value_or(0);
      },
      fail);
  BOOST_TEST(process_exists(pid));
  self
    ->request(manager, 30s, pm::stop_atom::value, std::string{"web"}, false,
              pm::request_context{})
    .receive(
      [](const pm::change_outcome& outcome) {
        BOOST_TEST(to_string(outcome.process.status) == "stopped");
      },
      fail);
  BOOST_TEST(!process_exists(pid));
  // Last, so that the node's end comes before its acknowledgement is due.
  run_once(self, manager);
}

} // namespace

BOOST_AUTO_TEST_SUITE(the_library_in_a_host)

BOOST_AUTO_TEST_CASE(supervisors_work_beside_the_scheduler_of_the_host) {
  temporary_directory directory;
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto node = pm::node::open(system, options_for(directory.file("state")));
  BOOST_REQUIRE_MESSAGE(node, node.error().text);
  use(system, (*node)->manager());
  auto keeper = (*node)->keeper_pid();
  (*node)->goodbye();
  node->reset();
  BOOST_TEST(wait_until([&] { return !process_exists(keeper); }));
}

BOOST_AUTO_TEST_CASE(supervisors_work_on_the_loop) {
  temporary_directory directory;
  std::promise<std::pair<caf::actor_system*, pm::manager_actor>> ready;
  std::promise<pm::event_loop*> looping;
  auto keeper = 0;
  std::thread thread{[&] {
    auto loop = pm::event_loop::make();
    caf::actor_system_config config;
    pm::use_loop_scheduler(config, **loop);
    caf::actor_system system{config};
    system.await_actors_before_shutdown(false);
    auto options = options_for(directory.file("state"));
    options.loop = loop->get();
    auto node = pm::node::open(system, std::move(options));
    BOOST_REQUIRE_MESSAGE(node, node.error().text);
    keeper = (*node)->keeper_pid();
    looping.set_value(loop->get());
    ready.set_value({&system, (*node)->manager()});
    (*loop)->run();
    (*node)->goodbye();
    node->reset();
    pm::run_until(
      **loop, [&] { return system.registry().running() == 0; }, 5s);
  }};
  auto* loop = looping.get_future().get();
  // In a thread of its own: CAF keeps the system's logger in each thread that
  // has used it, and the system's end waits for these.
  std::thread client{[&] {
    auto [system, manager] = ready.get_future().get();
    use(*system, manager);
  }};
  client.join();
  loop->stop();
  thread.join();
  BOOST_TEST(wait_until([&] { return !process_exists(keeper); }));
}

BOOST_AUTO_TEST_CASE(two_nodes_live_in_one_program_and_one_directory_has_one) {
  temporary_directory directory;
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto first = pm::node::open(system, options_for(directory.file("a")));
  auto second = pm::node::open(system, options_for(directory.file("b")));
  BOOST_REQUIRE(first);
  BOOST_REQUIRE(second);
  auto third = pm::node::open(system, options_for(directory.file("a")));
  BOOST_REQUIRE(!third);
  BOOST_TEST((third.error().code == pm::ec::locked));
  use(system, (*second)->manager());
  (*first)->goodbye();
  (*second)->goodbye();
}

BOOST_AUTO_TEST_CASE(the_hosts_own_children_and_signals_are_left_alone) {
  temporary_directory directory;
  static volatile sig_atomic_t seen = 0;
  struct sigaction ours {};
  ours.sa_handler = [](int) { seen = seen + 1; };
  struct sigaction before {};
  ::sigaction(SIGCHLD, &ours, &before);
  {
    caf::actor_system_config config;
    caf::actor_system system{config};
    auto node = pm::node::open(system, options_for(directory.file("state")));
    BOOST_REQUIRE(node);
    use(system, (*node)->manager());
    (*node)->goodbye();
  }
  BOOST_TEST(seen == 0); // twenty children have ended, none of them ours
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);
  struct sigaction now {};
  ::sigaction(SIGCHLD, &before, &now);
  BOOST_TEST((now.sa_handler == ours.sa_handler));
}

BOOST_AUTO_TEST_CASE(the_example_runs) {
  temporary_directory directory;
  auto result =
    run_command({program("embedded_service"), directory.file("state")});
  BOOST_TEST(result.code == 0);
  BOOST_TEST(result.out
             == "uname says Linux\nsleeper is running\nsleeper is stopped\n");
}

BOOST_AUTO_TEST_SUITE_END()
