#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <type_traits>

#include <caf/actor.hpp>

#include <pm/async.hpp>

namespace caf {
class actor_system;
}

namespace pm {

// What a task does: a function, a coroutine (a function that returns
// pm::async<void>), each with or without a std::stop_token that tells of a
// stop; or the behaviour of an actor. All but actors run on the thread that
// all tasks of a manager share: one that waits without `co_await` holds up no
// other for more than a second, and is told of.
//
// A task has ended well when its function or coroutine has, or its actor with
// a normal exit or `user_shutdown`; what it throws is its failure.
class task_body {
public:
  // Runs once, until the outcome is there.
  using coroutine = std::function<async<void>(std::stop_token)>;

  // Makes the actor that is the task.
  using spawner = std::function<caf::actor(caf::actor_system&)>;

  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, task_body>) task_body(F fn) {
    if constexpr (std::is_invocable_r_v<caf::actor, F, caf::actor_system&>)
      spawn_ = std::move(fn);
    else
      run_ = in_one_form(std::move(fn));
  }

  const coroutine& run() const noexcept { return run_; }

  const spawner& spawn() const noexcept { return spawn_; }

private:
  template <class F>
  static coroutine in_one_form(F fn) {
    if constexpr (std::is_invocable_v<F, std::stop_token>)
      return [fn = std::move(fn)](std::stop_token stopped) mutable {
        return called([&] { return fn(stopped); });
      };
    else
      return [fn = std::move(fn)](std::stop_token) mutable {
        return called([&] { return fn(); });
      };
  }

  template <class F>
  static async<void> called(F fn) {
    using result = std::invoke_result_t<F>;
    static_assert(
      !detail::is_async<result> || std::is_same_v<result, async<void>>,
      "a task's coroutine gives no value: pm::async<void>");
    if constexpr (std::is_same_v<result, async<void>>) {
      return fn();
    } else {
      async<void> done;
      fn(); // what it throws is the caller's
      done.shared()->complete({});
      return done;
    }
  }

  coroutine run_;
  spawner spawn_;
};

// A task, and how it is run.
struct task_plan {
  task_body body;
  std::optional<std::chrono::milliseconds> interval; // none: once
  // The most that it, or each of its times, may take; none: no limit.
  std::optional<std::chrono::milliseconds> timeout;
};

} // namespace pm
