#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include <uv.h>

#include <pm/event_loop.hpp>

// What stands behind <pm/event_loop.hpp>.

namespace pm {

// A libuv handle that belongs to an object of ours. libuv keeps a handle until
// its close callback, the owner until its destructor: the later one deletes.
struct loop_handle {
  bool is_owned = true;
  bool is_closed = false;

  virtual ~loop_handle() = default;
  virtual uv_handle_t* handle() noexcept = 0;
};

// Closes what uv_walk or an owner hands over; `data` is the loop_handle, or
// null for the loop's own handles.
void on_handle_closed(uv_handle_t* handle);

// Called by the owner's destructor.
void disown(loop_handle* x) noexcept;

struct fd_watch::state : loop_handle {
  uv_poll_t poll{};
  unsigned events = 0;
  std::function<void(unsigned)> fn;

  uv_handle_t* handle() noexcept override {
    return reinterpret_cast<uv_handle_t*>(&poll);
  }
};

struct loop_timer::state : loop_handle {
  uv_timer_t timer{};
  std::function<void()> fn;

  uv_handle_t* handle() noexcept override {
    return reinterpret_cast<uv_handle_t*>(&timer);
  }
};

struct work_item {
  uv_work_t request{};
  event_loop::impl* loop = nullptr;
  std::function<void()> fn;
  std::function<void()> done;
};

struct event_loop::impl {
  uv_loop_t loop{};
  uv_async_t async{};
  uv_prepare_t prepare{};
  uv_check_t check{};
  uv_idle_t idle{};
  std::function<bool()> hook;
  std::unordered_set<work_item*> works; // queued or running in the pool
  loop_counters counters;
  bool is_closing = false;
  std::atomic<bool> is_stopping{false};
  std::atomic<std::thread::id> thread{std::this_thread::get_id()};
  std::mutex mutex;
  std::vector<std::function<void()>> inbox; // guarded by `mutex`

  bool push(std::function<void()>& fn, size_t max);
  void drain();
  void call_hook();
  void start_work(std::function<void()> fn, std::function<void()> done);
};

} // namespace pm
