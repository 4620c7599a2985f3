#include <pm/loop_scheduler.hpp>

#include <cstdio>
#include <mutex>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/simple_actor_clock.hpp>
#include <caf/execution_unit.hpp>
#include <caf/make_actor.hpp>
#include <caf/message_handler.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <caf/system_messages.hpp>

#include "actors/loop_runner.hpp"

// A scheduler module for CAF 0.17.6, which needs its `detail` headers: all of
// that is in this one file.

namespace pm {

namespace {

using caf::detail::simple_actor_clock;

// CAF's own clock, usable from any thread, with the loop's timer behind it.
class loop_clock : public simple_actor_clock {
public:
  explicit loop_clock(event_loop& loop) : loop_(loop) {
    timer_ = loop_.timer([] {
      // Waking is all: the turn hook looks at the clock.
    });
  }

  void set_ordinary_timeout(time_point t, caf::abstract_actor* self,
                            caf::atom_value type, uint64_t id) override {
    changed([&] { base::set_ordinary_timeout(t, self, type, id); });
  }

  void set_multi_timeout(time_point t, caf::abstract_actor* self,
                         caf::atom_value type, uint64_t id) override {
    changed([&] { base::set_multi_timeout(t, self, type, id); });
  }

  void set_request_timeout(time_point t, caf::abstract_actor* self,
                           caf::message_id id) override {
    changed([&] { base::set_request_timeout(t, self, id); });
  }

  void cancel_ordinary_timeout(caf::abstract_actor* self,
                               caf::atom_value type) override {
    changed([&] { base::cancel_ordinary_timeout(self, type); });
  }

  void cancel_request_timeout(caf::abstract_actor* self,
                              caf::message_id id) override {
    changed([&] { base::cancel_request_timeout(self, id); });
  }

  void cancel_timeouts(caf::abstract_actor* self) override {
    changed([&] { base::cancel_timeouts(self); });
  }

  void schedule_message(time_point t, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) override {
    changed([&] {
      base::schedule_message(t, std::move(receiver), std::move(content));
    });
  }

  void schedule_message(time_point t, caf::group target,
                        caf::strong_actor_ptr sender,
                        caf::message content) override {
    changed([&] {
      base::schedule_message(t, std::move(target), std::move(sender),
                             std::move(content));
    });
  }

  void cancel_all() override {
    changed([&] { base::cancel_all(); });
  }

  // On the loop's thread: tells what is due, arms the timer for the next.
  void turn() {
    std::lock_guard lock{mutex_};
    if (!schedule_.empty() && schedule_.begin()->first <= now())
      trigger_expired_timeouts();
    if (schedule_.empty()) {
      if (armed_ != time_point{})
        timer_.cancel();
      armed_ = time_point{};
    } else if (auto due = schedule_.begin()->first; due != armed_) {
      timer_.arm(due);
      armed_ = due;
    }
  }

  void detach() { timer_ = loop_timer{}; }

private:
  using base = simple_actor_clock;

  template <class F>
  void changed(F f) {
    {
      // Recursive: what a dropped message destroys may cancel timeouts.
      std::lock_guard lock{mutex_};
      f();
    }
    if (!loop_.in_loop())
      loop_.wake();
  }

  event_loop& loop_;
  std::recursive_mutex mutex_;
  loop_timer timer_;
  time_point armed_{};
};

// What `aout` prints to; CAF itself reports unhandled errors there.
class stderr_printer : public caf::monitorable_actor {
public:
  explicit stderr_printer(caf::actor_config& config)
    : monitorable_actor(config) {
    handler_.assign([](caf::add_atom, caf::actor_id, const std::string& text) {
      std::fputs(text.c_str(), stderr);
    });
  }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (what != nullptr)
      handler_(what->content());
  }

private:
  caf::message_handler handler_;
};

class loop_scheduler : public caf::scheduler::abstract_coordinator {
public:
  loop_scheduler(caf::actor_system& system, event_loop& loop)
    : abstract_coordinator(system),
      loop_(loop),
      clock_(loop),
      runner_(loop),
      unit_(*this) {}

  void start() override {
    caf::actor_config config{&unit_};
    utility_actors_[printer_id] = caf::make_actor<stderr_printer, caf::actor>(
      system().next_actor_id(), system().node(), &system(), config);
    loop_.set_turn_hook([this] { return turn(); });
  }

  void stop() override {
    loop_.set_turn_hook({});
    clock_.cancel_all();
    clock_.detach();
    runner_.drain([this](caf::resumable* x) { cleanup_and_release(x); });
  }

  void enqueue(caf::resumable* what) override { runner_.enqueue(what); }

  caf::actor_clock& clock() noexcept override { return clock_; }

  bool detaches_utility_actors() const override { return false; }

private:
  struct unit : caf::execution_unit {
    explicit unit(loop_scheduler& owner)
      : execution_unit(&owner.system()), runner(owner.runner_) {}

    void exec_later(caf::resumable* what) override { runner.enqueue(what); }

    loop_runner& runner;
  };

  // True while there is more to do.
  bool turn() {
    clock_.turn();
    auto more = runner_.turn(unit_);
    clock_.turn();
    return more;
  }

  event_loop& loop_;
  loop_clock clock_;
  loop_runner runner_;
  unit unit_;
};

} // namespace

void use_loop_scheduler(caf::actor_system_config& config, event_loop& loop) {
  config.module_factories.push_back([&loop](caf::actor_system& system) {
    return new loop_scheduler(system, loop);
  });
}

bool run_until(event_loop& loop, const std::function<bool()>& holds,
               std::chrono::milliseconds patience) {
  using clock = std::chrono::steady_clock;
  auto deadline = clock::now() + patience;
  // What makes it true may happen just before the loop waits: look again.
  auto tick = loop.timer([] {});
  while (!holds() && clock::now() < deadline) {
    tick.arm(clock::now() + std::chrono::milliseconds{2});
    loop.run_once(true);
  }
  return holds();
}

} // namespace pm
