#pragma once

#include "runtime/calls/worker_pool.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm::calls {

// One process of a pool, and the call that it is at. Shared with the host,
// which tells of its end after the pool has let it go.
class pool_worker : public run_events,
                    public std::enable_shared_from_this<pool_worker> {
public:
  explicit pool_worker(worker_pool& pool) : pool_(&pool) {}

  // Starts the process. Errors: system_failed.
  expected<void> start();

  // Sends it a call; it is free.
  void begin(worker_pool::pending_call call);

  // True if it is at this call.
  bool is_at(uint64_t number) const noexcept {
    return call_ && call_->number == number;
  }

  // The call it is at fails; the process is killed, with its descendants.
  void abandon(const error& why);

  // Lets the process end by itself; it is free.
  void let_go();

  // The pool is gone.
  void orphan();

  uint64_t calls_done() const noexcept { return calls_done_; }

  void spawned(const identity&, timestamp) override {}
  void spawn_failed(const error& why) override;
  void output(stream, std::string) override {}
  void exited(run_exit how) override;
  void group_gone() override {}

private:
  void on_event(unsigned events);
  void read_some();
  void write_some();
  bool take_reply();
  void finish(run_output printed);
  void fail(const error& why);
  void close();
  void leave_pool();
  void be_reaped();
  bool is_worn_out() const;

  worker_pool* pool_; // null once that is gone
  bool has_left_ = false;
  run_id run_;
  unique_fd socket_;
  fd_watch watch_;
  loop_timer timer_;
  std::optional<worker_pool::pending_call> call_;
  uint32_t frame_number_ = 0;
  std::string incoming_;
  std::string outgoing_;
  size_t sent_ = 0;
  std::optional<call_reply> reply_; // its output is being collected
  uint64_t calls_done_ = 0;
  uint64_t bytes_moved_ = 0;
};

} // namespace pm::calls
