#pragma once

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <caf/expected.hpp>

#include <pm/caf_error.hpp>
#include <pm/executor.hpp>

namespace pm {

template <class T>
class async;

namespace detail {

// No time is too long to be counted from now in nanoseconds.
constexpr std::chrono::milliseconds bounded(std::chrono::milliseconds x) {
  constexpr std::chrono::hours most{100 * 365 * 24};
  return x < most ? x : std::chrono::milliseconds{most};
}

inline std::optional<std::chrono::milliseconds>
bounded(std::optional<std::chrono::milliseconds> x) {
  return x ? std::optional{bounded(*x)} : x;
}

template <class T>
constexpr bool is_async = false;

template <class T>
constexpr bool is_async<async<T>> = true;

// Runs a function on a thread that may be held up for a while.
using elsewhere = std::function<void(std::function<void()>)>;

template <class T>
struct async_state : std::enable_shared_from_this<async_state<T>> {
  std::mutex mutex;
  std::condition_variable is_done;
  std::optional<caf::expected<T>> outcome;
  std::vector<std::function<void(const caf::expected<T>&)>> continuations;
  std::function<void()> cancel; // what a cancellation does; may be empty
  bool is_cancelled = false;

  // The first outcome counts. Continuations run here, or by way of `run`.
  void complete(caf::expected<T> x, const elsewhere& run = {}) {
    decltype(continuations) ready;
    std::function<void()> unused;
    {
      std::lock_guard guard{mutex};
      if (outcome)
        return;
      outcome.emplace(std::move(x));
      ready.swap(continuations);
      unused.swap(cancel);
    }
    is_done.notify_all(); // who wakes up finds the lock free
    if (ready.empty())
      return;
    auto tell = [self = this->shared_from_this(), ready = std::move(ready)] {
      std::exception_ptr thrown; // by one: the others are told all the same
      for (auto& fn : ready)
        try {
          fn(*self->outcome);
        } catch (...) {
          thrown = std::current_exception();
        }
      if (thrown)
        std::rethrow_exception(thrown);
    };
    if (run)
      run(std::move(tell));
    else
      tell();
  }

  // Sets what a cancellation does; at once if that has come before.
  void on_cancel(std::function<void()> fn) {
    {
      std::lock_guard guard{mutex};
      if (outcome)
        return;
      if (!is_cancelled) {
        cancel = std::move(fn);
        return;
      }
    }
    if (fn)
      fn();
  }
};

template <class T>
struct async_promise;

} // namespace detail

// The outcome of a request that is under way: a value, or an error with a code
// of `pm::ec` and a text (`pm::from_caf`). A handle: copies stand for the same
// request; dropping all of them does not withdraw it. Any thread.
//
// It is also what a coroutine returns: `pm::async<int> f()` runs at once up to
// its first `co_await`. It goes on where it waited, if that was an executor's
// thread (as in a task) and the executor still is, else on the thread that
// brings the outcome: do not block there. What it throws is its error
// (`call_failed`).
template <class T>
class [[nodiscard]] async {
public:
  using value_type = T;
  using outcome = caf::expected<T>;
  using state = detail::async_state<T>;
  using promise_type = detail::async_promise<T>;

  async() : state_(std::make_shared<state>()) {}

  explicit async(std::shared_ptr<state> x) : state_(std::move(x)) {}

  // True if the outcome is there.
  bool is_done() const {
    std::lock_guard guard{state_->mutex};
    return state_->outcome.has_value();
  }

  // Waits for the outcome. For threads that may block: not for actors, tasks
  // or continuations.
  outcome get() const {
    std::unique_lock lock{state_->mutex};
    state_->is_done.wait(lock, [&] { return state_->outcome.has_value(); });
    return *state_->outcome;
  }

  // The same for so long at most; none: it is not there yet.
  template <class Rep, class Period>
  std::optional<outcome> get_for(std::chrono::duration<Rep, Period> x) const {
    std::unique_lock lock{state_->mutex};
    if (!state_->is_done.wait_for(lock, x,
                                  [&] { return state_->outcome.has_value(); }))
      return std::nullopt;
    return *state_->outcome;
  }

  // Calls `fn(const caf::expected<T>&)` with the outcome, once: at once if it
  // is there, else on the thread that brings it.
  template <class F>
  void then(F fn) const {
    {
      std::lock_guard guard{state_->mutex};
      if (!state_->outcome) {
        state_->continuations.emplace_back(std::move(fn));
        return;
      }
    }
    fn(*state_->outcome);
  }

  // Withdraws the request: what `run_cli` runs is killed, a call's worker too,
  // a coroutine's next wait fails, and of anything else the outcome is not
  // waited for. The outcome still comes, most likely `cancelled`.
  void cancel() const {
    std::function<void()> fn;
    {
      std::lock_guard guard{state_->mutex};
      if (state_->outcome)
        return;
      state_->is_cancelled = true;
      fn = std::exchange(state_->cancel, {});
    }
    if (fn)
      fn();
  }

  auto operator co_await() const {
    struct awaiter {
      async self;

      bool await_ready() const { return self.is_done(); }

      void await_suspend(std::coroutine_handle<> waiting) const {
        std::weak_ptr<executor> home;
        if (auto* here = executor::current())
          home = here->weak_from_this();
        self.then([home, waiting](const outcome&) {
          if (auto there = home.lock(); !there || !there->post(waiting))
            waiting.resume();
        });
      }

      outcome await_resume() const { return self.get(); }
    };
    return awaiter{*this};
  }

  const std::shared_ptr<state>& shared() const noexcept { return state_; }

private:
  std::shared_ptr<state> state_;
};

namespace detail {

struct async_promise_base {
  std::suspend_never initial_suspend() const noexcept { return {}; }

  std::suspend_never final_suspend() const noexcept { return {}; }

  static caf::error thrown() {
    try {
      throw;
    } catch (const std::exception& what) {
      return to_caf({ec::call_failed, what.what()});
    } catch (...) {
      return to_caf({ec::call_failed, "an exception that is no "
                                      "std::exception"});
    }
  }

  // While it waits for `x`, a cancellation goes on to it.
  template <class State, class U>
  static async<U> pass_on(const std::shared_ptr<State>& mine, async<U> x) {
    mine->on_cancel([x] { x.cancel(); });
    return x;
  }
};

template <class T>
struct async_promise : async_promise_base {
  async<T> mine;

  async<T> get_return_object() const { return mine; }

  void return_value(caf::expected<T> x) const {
    mine.shared()->complete(std::move(x));
  }

  void unhandled_exception() const { mine.shared()->complete(thrown()); }

  template <class U>
  async<U> await_transform(async<U> x) const {
    return pass_on(mine.shared(), std::move(x));
  }

  template <class Awaitable>
  Awaitable&& await_transform(Awaitable&& x) const {
    return std::forward<Awaitable>(x);
  }
};

template <>
struct async_promise<void> : async_promise_base {
  async<void> mine;

  async<void> get_return_object() const { return mine; }

  void return_void() const {
    mine.shared()->complete(caf::expected<void>{caf::error{}});
  }

  void unhandled_exception() const { mine.shared()->complete(thrown()); }

  template <class U>
  async<U> await_transform(async<U> x) const {
    return pass_on(mine.shared(), std::move(x));
  }

  template <class Awaitable>
  Awaitable&& await_transform(Awaitable&& x) const {
    return std::forward<Awaitable>(x);
  }
};

} // namespace detail

// Waits so long, in a task. Errors: cancelled.
async<void> sleep_for(std::chrono::milliseconds x);

} // namespace pm
