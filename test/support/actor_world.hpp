#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <boost/test/unit_test.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <pm/actors.hpp>
#include <pm/registry_store.hpp>

#include "actors/manager.hpp"
#include "actors/registry.hpp"
#include "actors/work_queue.hpp"
#include "test/support/fake_host.hpp"
#include "test/support/fake_meter.hpp"
#include "test/support/fake_notifier.hpp"
#include "test/support/fake_prober.hpp"
#include "test/support/faulty_storage.hpp"

namespace pm::test {

// Runs jobs at once, or holds them back until the test lets them go.
class manual_queue : public work_queue {
public:
  bool hold = false;

  void submit(job what, completion done) override {
    held_.emplace_back(std::move(what), std::move(done));
    if (!hold)
      release();
  }

  void release() {
    while (!held_.empty()) {
      auto [what, done] = std::move(held_.front());
      held_.pop_front();
      done(what());
    }
  }

private:
  std::deque<std::pair<job, completion>> held_;
};

// The whole actor side of a node on the test scheduler and the test clock,
// with a fake host and a storage in memory: nothing real runs, nothing sleeps.
class actor_world {
public:
  template <class T>
  using answer = std::shared_ptr<std::optional<expected<T>>>;

  actor_world();
  ~actor_world();

  // Opens (again) the manager on what the storage holds. A new host and a new
  // keeper table can be set before.
  void open(manager_start from = {});

  // Ends the manager and the registry as a crash would: nothing is written.
  void crash();

  // Lets all actors work until nobody has anything to do.
  void run();

  // Moves the clocks and lets all actors work.
  void advance(milliseconds by);

  // Sends a request to the manager, before anybody works; the slot is filled
  // when it is answered.
  template <class T, class... Ts>
  answer<T> send(Ts... xs) {
    auto slot = std::make_shared<std::optional<expected<T>>>();
    system.spawn(
      [slot, manager = manager, xs...](caf::event_based_actor* self) {
        self->request(manager, caf::infinite, xs...)
          .then([slot](T& x) { *slot = std::move(x); },
                [slot](caf::error& why) {
                  *slot = tl::make_unexpected(from_caf(why));
                });
      });
    return slot;
  }

  // The same, and lets all actors work.
  template <class T, class... Ts>
  answer<T> ask(Ts... xs) {
    auto slot = send<T>(std::move(xs)...);
    run();
    return slot;
  }

  // Short forms for the commonest requests.
  answer<change_outcome> define(const std::string& id, process_spec spec = {},
                                bool start = true);
  answer<change_outcome> start(const std::string& id);
  answer<change_outcome> stop(const std::string& id, bool force = false);
  answer<change_outcome> restart(const std::string& id);
  process_view view(const std::string& id);
  status status_of(const std::string& id);

  caf::actor_system_config config;
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  std::shared_ptr<faulty_storage> storage;
  std::shared_ptr<manual_queue> queue = std::make_shared<manual_queue>();
  std::shared_ptr<manual_queue> snapshots = std::make_shared<manual_queue>();
  fake_host host;
  fake_prober prober;
  fake_notifier notifier;
  fake_meter meter;
  fake_witness witness;
  std::shared_ptr<registry_store> store;
  registry_actor registry_;
  manager_actor manager;

private:
  caf::actor_system_config& prepare();
};

// How a request was answered; it must have been.
template <class T>
ec code_of(const std::shared_ptr<std::optional<expected<T>>>& x) {
  BOOST_REQUIRE(x->has_value());
  return (**x).has_value() ? ec::none : (**x).error().code;
}

template <class T>
const T& value_of(const std::shared_ptr<std::optional<expected<T>>>& x) {
  BOOST_REQUIRE(x->has_value());
  BOOST_REQUIRE_MESSAGE((**x).has_value(), (**x).error().text);
  return ***x;
}

// A spec that does not restart too fast for a test to follow.
process_spec simple_spec(restart_mode mode = restart_mode::on_failure);

} // namespace pm::test
