#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace pm {

// Where a coroutine goes on after it has waited. Owned by shared pointers: who
// waits may come back when it is gone.
class executor : public std::enable_shared_from_this<executor> {
public:
  virtual ~executor() = default;

  // Runs `fn` soon, never within this call; false if it has ended, and `fn` is
  // not going to be called. Any thread.
  virtual bool post(std::function<void()> fn) = 0;

  // Runs `fn` at `due`. Any thread.
  virtual void post_at(std::chrono::steady_clock::time_point due,
                       std::function<void()> fn) = 0;

  // The executor whose function this thread runs; null outside of one.
  static executor* current() noexcept;

protected:
  // Makes `x` the current one for this thread; returns the one before.
  static executor* set_current(executor* x) noexcept;
};

} // namespace pm
