#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include <caf/execution_unit.hpp>
#include <caf/local_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>

#include <pm/event_loop.hpp>

// Actors on a loop: what resumes them, and how one gets there.

namespace pm {

// Resumes actors between the polls of a loop, a bounded batch at a time.
class loop_runner {
public:
  explicit loop_runner(event_loop& loop) : loop_(loop) {}

  // Takes over one reference to `what`, which has something to do. Any thread.
  void enqueue(caf::resumable* what);

  // On the loop's thread, in its turn hook: true while there is more to do.
  // `context` is where those come to that the resumed ones send to.
  bool turn(caf::execution_unit& context);

  // Gives what was not resumed to `release`; nothing comes after that.
  void drain(const std::function<void(caf::resumable*)>& release);

private:
  void take_remote();
  void resume_next(caf::execution_unit& context);

  event_loop& loop_;
  std::mutex mutex_;
  std::vector<caf::resumable*> remote_; // guarded by `mutex_`
  std::deque<caf::resumable*> local_;   // the loop's thread only
};

// The loop as the home of some actors of a system whose own scheduler runs all
// others. Must outlive these, and they must have ended before the loop stops.
class loop_home {
public:
  // To be made and destroyed while the loop does not run.
  loop_home(caf::actor_system& system, event_loop& loop);
  ~loop_home();

  loop_home(const loop_home&) = delete;
  loop_home& operator=(const loop_home&) = delete;

  // Where a `loop_actor` is told of. Any thread.
  caf::execution_unit* door() noexcept { return &door_; }

private:
  // Actors that were made for the loop come in here.
  struct door_unit : caf::execution_unit {
    door_unit(caf::actor_system& system, loop_runner& to)
      : execution_unit(&system), runner(to) {}

    void exec_later(caf::resumable* what) override { runner.enqueue(what); }

    loop_runner& runner;
  };

  // All others that they send to go back to the system's scheduler.
  struct outside_unit : caf::execution_unit {
    explicit outside_unit(caf::actor_system& system)
      : execution_unit(&system) {}

    void exec_later(caf::resumable* what) override;
  };

  event_loop& loop_;
  loop_runner runner_;
  door_unit door_;
  outside_unit outside_;
};

// An actor that is resumed by way of `door`, whoever sends to it; without one
// (null) it is an actor as all others.
template <class Base>
class loop_actor : public Base {
public:
  using behavior_type = typename Base::behavior_type;
  using init_fn = std::function<behavior_type(Base*)>;

  loop_actor(caf::actor_config& config, caf::execution_unit* door, init_fn init)
    : Base(config), door_(door), init_(std::move(init)) {}

  using Base::enqueue;

  void enqueue(caf::mailbox_element_ptr what,
               caf::execution_unit* from) override {
    Base::enqueue(std::move(what), door_ != nullptr ? door_ : from);
  }

  void launch(caf::execution_unit* from, bool lazy, bool hide) override {
    Base::launch(door_ != nullptr ? door_ : from, lazy, hide);
  }

protected:
  behavior_type make_behavior() override {
    return std::exchange(init_, nullptr)(this);
  }

private:
  caf::execution_unit* door_;
  init_fn init_;
};

// Spawns `fn(self, xs...)` as a `loop_actor`; `from` is the system, or an actor
// of it.
template <class Spawner, class Base, class Behavior, class... Args, class... Ts>
auto spawn_by(caf::execution_unit* door, Spawner& from,
              Behavior (*fn)(Base*, Args...), Ts... xs) {
  return from.template spawn<loop_actor<Base>>(
    door, typename loop_actor<Base>::init_fn{
            [fn, xs...](Base* self) { return fn(self, xs...); }});
}

} // namespace pm
