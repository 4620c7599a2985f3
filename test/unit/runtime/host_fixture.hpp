#pragma once

#include <csignal>
#include <map>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <pm/keeper_host.hpp>

#include "runtime/os/proc.hpp"
#include "test/unit/runtime/loop_fixture.hpp"

namespace pm::test {

// What has been told about one run.
struct told_run : run_events {
  std::vector<std::string> order;
  std::optional<identity> who;
  timestamp spawned_at;
  std::optional<error> failure;
  std::string text[2];
  std::optional<run_exit> exit;
  bool gone = false;

  void spawned(const identity& x, timestamp at) override {
    order.push_back("spawned");
    who = x;
    spawned_at = at;
  }

  void spawn_failed(const error& why) override {
    order.push_back("spawn_failed");
    failure = why;
  }

  void output(stream which, std::string chunk) override {
    if (order.empty() || order.back() != "output")
      order.push_back("output");
    text[static_cast<size_t>(which)] += chunk;
  }

  void exited(run_exit how) override {
    order.push_back("exited");
    exit = std::move(how);
  }

  void group_gone() override {
    order.push_back("group_gone");
    gone = true;
  }

  bool is_over() const { return failure || exit; }
};

// A host with a real keeper in a directory of its own. Every run that a test
// leaves is killed, and the keeper must be gone at the end.
struct host_fixture : loop_fixture {
  temp_dir dir;
  std::vector<std::string> troubles;
  std::unique_ptr<keeper_connection> host = connect();
  std::map<run_id, std::shared_ptr<told_run>> runs;

  std::unique_ptr<keeper_connection> connect(size_t queue_max = 8192) {
    keeper_options options;
    options.spawn_queue_max = queue_max;
    options.state_dir = dir.path();
    options.keeper_path = PM_BIN_DIR "/pm-keeper";
    options.on_trouble = [this](const std::string& text) {
      troubles.push_back(text);
    };
    auto made = make_keeper_host(*loop, options);
    BOOST_REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().text));
    return std::move(*made);
  }

  ~host_fixture() {
    for (auto& [run, x] : runs)
      host->signal(run, SIGKILL, signal_scope::whole_group);
    run_until([&] {
      for (auto& [run, x] : runs)
        if (!x->is_over())
          return false;
      return true;
    });
    for (auto& [run, x] : runs)
      host->acknowledge(run);
    auto keeper = open_pidfd(host->keeper_pid());
    host->goodbye();
    host.reset();
    if (keeper)
      BOOST_CHECK(run_until([&] {
        loop->post([] {});
        ::usleep(500);
        return has_ended(keeper->get());
      }));
  }

  static spawn_request request(std::vector<std::string> argv,
                               output_mode output = output_mode::capture) {
    spawn_request result;
    result.run_id = run_id::make(
      std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
    result.handle_id = "web";
    result.argv = std::move(argv);
    result.environment = {"PATH=/usr/bin:/bin", "LANG=C"};
    result.output = output;
    return result;
  }

  static spawn_request shell(std::string script,
                             output_mode output = output_mode::capture) {
    return request({"/bin/sh", "-c", std::move(script)}, output);
  }

  static std::string child(const std::string& name) {
    return PM_BIN_DIR "/children/" + name;
  }

  std::shared_ptr<told_run> spawn(spawn_request what) {
    auto told = std::make_shared<told_run>();
    runs[what.run_id] = told;
    host->spawn(std::move(what), told);
    return told;
  }

  // Comes to a new keeper.
  void reconnect() {
    std::optional<expected<void>> done;
    host->reconnect([&](expected<void> x) { done = std::move(x); });
    BOOST_REQUIRE(run_until([&] { return done.has_value(); }));
    BOOST_REQUIRE_MESSAGE(*done, (*done ? "" : done->error().text));
  }

  // Ends the keeper as a crash would, and waits until it is gone.
  void kill_keeper(int pid) {
    auto keeper = open_pidfd(pid);
    BOOST_REQUIRE(keeper.has_value());
    BOOST_REQUIRE(send_signal(keeper->get(), SIGKILL));
    BOOST_REQUIRE(run_until([&] {
      loop->post([] {});
      ::usleep(500);
      return has_ended(keeper->get());
    }));
  }

  // Spawns and waits for the end, of whatever kind.
  std::shared_ptr<told_run> run(spawn_request what) {
    auto told = spawn(std::move(what));
    BOOST_REQUIRE(run_until([&] { return told->is_over(); }));
    return told;
  }

  bool all_over() const {
    for (auto& [run, x] : runs)
      if (!x->is_over())
        return false;
    return true;
  }

  void acknowledge_all() {
    for (auto& [run, x] : runs)
      host->acknowledge(run);
    runs.clear();
  }
};

} // namespace pm::test
