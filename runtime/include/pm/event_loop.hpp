#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <pm/error.hpp>

// The event loop that everything of a node lives on. libuv is behind it and
// shows nowhere.

namespace pm {

// What a descriptor is watched for, as bits. `hangup` alone reports only that
// the other side is gone for good; errors are reported as all that was asked.
namespace fd_event {
constexpr unsigned readable = 1;
constexpr unsigned writable = 2;
constexpr unsigned hangup = 4;
} // namespace fd_event

// Watches one descriptor, level-triggered, until it is destroyed, which may
// happen within its own callback. It does not own the descriptor: destroy the
// watch (or set it to 0) before the descriptor is closed, or a shared open
// file would stay in the poll set. Belongs to the loop's thread.
class fd_watch {
public:
  struct state;

  fd_watch() noexcept;
  explicit fd_watch(state* owned) noexcept;
  fd_watch(fd_watch&& other) noexcept;
  fd_watch& operator=(fd_watch&& other) noexcept;
  ~fd_watch();

  // Changes what is watched for; 0 pauses, and leaves nothing in the poll set.
  void set(unsigned events);

  explicit operator bool() const noexcept { return state_ != nullptr; }

private:
  state* state_ = nullptr;
};

// Calls back once at a point in time, never before it. Destroying it cancels;
// that and arming again may happen within its own callback. Belongs to the
// loop's thread.
class loop_timer {
public:
  struct state;

  loop_timer() noexcept;
  explicit loop_timer(state* owned) noexcept;
  loop_timer(loop_timer&& other) noexcept;
  loop_timer& operator=(loop_timer&& other) noexcept;
  ~loop_timer();

  // Arms it for `due` in place of what it was armed for.
  void arm(std::chrono::steady_clock::time_point due);

  // Disarms it.
  void cancel();

  explicit operator bool() const noexcept { return state_ != nullptr; }

private:
  state* state_ = nullptr;
};

// Tells signals that are blocked in all threads of the process; see
// `event_loop::watch_signals`.
class signal_watch {
public:
  struct state;

  signal_watch() noexcept;
  explicit signal_watch(std::unique_ptr<state> owned) noexcept;
  signal_watch(signal_watch&& other) noexcept;
  signal_watch& operator=(signal_watch&& other) noexcept;
  ~signal_watch();

private:
  std::unique_ptr<state> state_;
};

// What the loop has done so far; for tests and `top`.
struct loop_counters {
  uint64_t turns = 0;  // times that it polled
  uint64_t posted = 0; // functions taken from the inbox
};

// A loop that sleeps until something is due. Made on one thread, run on one
// thread; what says "any thread" is callable from every thread until the
// destructor begins. With nothing due it does not wake at all.
class event_loop {
public:
  struct impl;

  // Functions that wait in the inbox, at most, for `try_post`.
  static constexpr size_t inbox_max = 65'536;

  // Errors: system_failed (no descriptors left).
  static expected<std::unique_ptr<event_loop>> make();

  // Closes what is still open; functions that nobody has run are dropped, and
  // so are `done` functions of work that is still under way (it waits for
  // such work). Watches and timers that outlive the loop do nothing.
  ~event_loop();

  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  // Runs on the calling thread until `stop`. May be called again.
  void run();

  // Runs one turn: polls (waits for an event only if `wait` and nothing is
  // queued) and calls what is due.
  void run_once(bool wait);

  // Ends `run` after the current turn; before `run`, it returns at once. Any
  // thread.
  void stop();

  // Runs `fn` on the loop's thread, in order of posting, never within this
  // call. For what is bounded by other means. Any thread.
  void post(std::function<void()> fn);

  // As `post`, but refuses (false) while `inbox_max` functions wait. Any
  // thread.
  bool try_post(std::function<void()> fn);

  // True on the thread that runs the loop, or ran it last (that made it,
  // before the first run). Any thread.
  bool in_loop() const noexcept;

  // Watches `fd` (made nonblocking) for `events`; `fn` gets those that hold.
  // Errors: system_failed (the kernel cannot poll it).
  expected<fd_watch> watch(int fd, unsigned events,
                           std::function<void(unsigned)> fn);

  // Makes a timer that calls `fn`; it is not armed yet.
  loop_timer timer(std::function<void()> fn);

  // Makes a timer that calls `fn` at `due`.
  loop_timer timer_at(std::chrono::steady_clock::time_point due,
                      std::function<void()> fn);

  // Calls `fn` with the number of each of `signals` that arrives. The caller
  // has blocked them in all threads. Errors: system_failed.
  expected<signal_watch> watch_signals(const std::vector<int>& signals,
                                       std::function<void(int)> fn);

  // Runs `fn`, which may block, on a thread of the pool, then `done` on the
  // loop's thread. Neither may throw. Any thread.
  void work(std::function<void()> fn, std::function<void()> done);

  // Calls `hook` on the loop's thread before and after each poll. While it
  // returns true (there is more to do) the loop polls without waiting. Empty:
  // none. Set it on the loop's thread or before `run`.
  void set_turn_hook(std::function<bool()> hook);

  // Makes a waiting loop take a turn, so that the hook is called. Any thread.
  void wake() noexcept;

  // For the loop's thread.
  loop_counters counters() const noexcept;

private:
  explicit event_loop(std::unique_ptr<impl> owned) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace pm
