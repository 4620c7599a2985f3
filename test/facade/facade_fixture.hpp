#pragma once

#include <boost/test/unit_test.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <pm/process_manager.hpp>

#include "test/support/daemon_fixture.hpp"

namespace pm::test {

// A program that embeds a manager, on a state directory of its own.
struct facade_fixture {
  facade_fixture() {
    config.set("scheduler.policy", caf::atom("sharing"));
    config.set("scheduler.max-threads", size_t{4});
    system = std::make_unique<caf::actor_system>(config);
  }

  ~facade_fixture() {
    if (manager) // nothing of a test lives on
      open(on_exit::stop);
    manager.reset();
    system.reset();
  }

  manager_options options(pm::on_exit at_exit) {
    manager_options result;
    result.state_dir = directory.file("state");
    result.keeper_path = program("pm-keeper");
    result.on_exit = at_exit;
    result.calls.interpreter = "/usr/bin/python3";
    result.calls.python_path = {PM_SOURCE_DIR "/test/facade/python"};
    result.note = [this](const std::string& line) {
      std::lock_guard guard{notes_mutex};
      notes.push_back(line);
    };
    return result;
  }

  // Ends the manager there is, and opens the next: another program, later.
  process_manager& open(pm::on_exit at_exit = pm::on_exit::stop) {
    manager.reset();
    manager = std::make_unique<process_manager>(*system, options(at_exit));
    auto& problem = manager->problem();
    if (problem)
      BOOST_FAIL(problem->text);
    return *manager;
  }

  bool was_noted(const std::string& words) {
    std::lock_guard guard{notes_mutex};
    for (auto& line : notes)
      if (line.find(words) != std::string::npos)
        return true;
    return false;
  }

  temporary_directory directory;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::mutex notes_mutex;
  std::vector<std::string> notes;
  std::unique_ptr<process_manager> manager;
};

// The value, or a failed test.
template <class T>
T value_of(const async<T>& x) {
  auto outcome = x.get_for(std::chrono::seconds{60});
  BOOST_REQUIRE_MESSAGE(outcome.has_value(), "no outcome within a minute");
  if (!*outcome)
    BOOST_FAIL(from_caf(outcome->error()).text);
  return std::move(**outcome);
}

// The error; a value is a failed test.
template <class T>
error error_of(const async<T>& x) {
  auto outcome = x.get_for(std::chrono::seconds{60});
  BOOST_REQUIRE_MESSAGE(outcome.has_value(), "no outcome within a minute");
  BOOST_REQUIRE(!static_cast<bool>(*outcome));
  return from_caf(outcome->error());
}

} // namespace pm::test
