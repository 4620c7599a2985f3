#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pm/event_loop.hpp>
#include <pm/process_host.hpp>

#include "runtime/calls/call_frame.hpp"

// Warm processes that call one function after the other (call_format.md).

namespace pm::calls {

class pool_worker;

// How a worker is started.
struct worker_command {
  std::string name; // for messages: "python worker"
  std::vector<std::string> argv;
  std::vector<std::string> environment; // "NAME=value", complete
  std::string working_dir;
  std::string code; // what is sent before the first call
  std::vector<resource_limit> limits;
};

struct pool_limits {
  size_t workers_max = 4;
  size_t queue_max = 65'536;              // calls that wait
  uint64_t calls_max = 100'000;           // of one worker; then a fresh one
  uint64_t bytes_max = uint64_t{1} << 30; // moved by one worker
  milliseconds idle_max{60'000};          // then workers are let go
  int poison_max = 3;                     // workers that one call may kill
  size_t capture_max = 16u << 20;         // printed by one call, a stream
};

// What came of a call.
struct call_reply {
  frame_kind kind = frame_kind::result;
  std::string body; // JSON, not looked at yet
  run_output printed;
  std::chrono::microseconds duration{0};
};

using reply_fn = std::function<void(expected<call_reply>)>;

// The end of what a failed call has printed, for the text of its error: as in
// "; it said: ...", 2,000 bytes of each stream at most; empty if it was silent.
std::string last_words(const run_output& printed);

// Belongs to the loop's thread. A worker that dies, breaks the protocol or
// exceeds the time of a call takes that call with it and no other; a call that
// has killed `poison_max` workers is refused from then on.
class worker_pool {
public:
  // Both must outlive it. Nothing is started yet.
  worker_pool(event_loop& loop, process_host& host, worker_command command,
              pool_limits limits);

  // As `end`, without waiting for the workers to be reaped.
  ~worker_pool();

  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  // Makes a call; `done` is called later, once. `timeout` counts from here
  // (none: no limit). Returns its number, for `cancel`. Errors: call_failed
  // (its worker died, or answered nonsense; a poisoned call), timeout,
  // cancelled, busy, spawn_failed, shutting_down, invalid_argument (above
  // `body_max`).
  uint64_t call(std::string body, std::optional<milliseconds> timeout,
                reply_fn done);

  // Kills all workers, and calls `done` when the last one is reaped; calls that
  // are not done fail with `shutting_down`, as do those that come after.
  void end(std::function<void()> done);

  // Withdraws a call; one that is running loses its worker.
  void cancel(uint64_t number);

  size_t worker_count() const noexcept { return workers_.size(); }

  // -- from workers -----------------------------------------------------------

  struct pending_call {
    uint64_t number = 0;
    std::string body;
    std::optional<std::chrono::steady_clock::time_point> deadline;
    milliseconds timeout{0}; // that this is the end of
    std::chrono::steady_clock::time_point begun;
    reply_fn done;
  };

  event_loop& loop() noexcept { return loop_; }
  process_host& host() noexcept { return host_; }
  const worker_command& command() const noexcept { return command_; }
  const pool_limits& limits() const noexcept { return limits_; }

  // This worker has nothing to do: it gets the next call.
  void on_free(pool_worker& worker);

  // This worker takes no further call.
  void on_gone(pool_worker& worker);

  // Its process is reaped.
  void on_reaped(pool_worker& worker);

  // A call has cost a worker its life.
  void blame(const std::string& body);

private:
  void dispatch();
  void refuse(reply_fn done, error why);
  void expire_queued();
  void end_all();
  void expire_at(std::chrono::steady_clock::time_point when);
  bool is_poisoned(const std::string& body) const;
  void on_idle();

  event_loop& loop_;
  process_host& host_;
  worker_command command_;
  pool_limits limits_;
  std::vector<std::shared_ptr<pool_worker>> workers_;
  std::vector<std::shared_ptr<pool_worker>> dying_; // not reaped yet
  std::vector<pool_worker*> free_; // the last one used is the first taken
  std::deque<pending_call> queue_;
  std::map<uint64_t, int> deaths_; // by the hash of the call's body
  loop_timer queue_timer_;
  std::optional<std::chrono::steady_clock::time_point> queue_expires_;
  loop_timer idle_timer_;
  uint64_t last_number_ = 0;
  bool is_ending_ = false;
  std::function<void()> ended_;
};

} // namespace pm::calls
