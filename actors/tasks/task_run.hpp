#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>

#include <caf/actor.hpp>

#include "actors/tasks/task_host.hpp"

namespace pm {

// The way to the host, as long as there is one: a coroutine may come back
// after that.
struct task_host::host_link {
  std::mutex mutex;
  task_host* host = nullptr;
};

// One life of a task. What the program has written for it runs on the executor,
// or in `stop`; the rest on any thread.
class task_host::task_run : public std::enable_shared_from_this<task_run> {
public:
  task_run(std::shared_ptr<host_link> link, run_id run, std::string name,
           task_plan plan, std::shared_ptr<run_events> to)
    : link_(std::move(link)),
      run_(run),
      name_(std::move(name)),
      plan_(std::move(plan)),
      to_(std::move(to)) {}

  const std::string& name() const noexcept { return name_; }

  void begin();

  // Asks it to stop.
  void stop();

  // It has ended, whatever it still does. It is also to be asked to stop.
  void give_up();

private:
  using time_point = std::chrono::steady_clock::time_point;

  template <class F>
  void with_host(F f) {
    std::lock_guard guard{link_->mutex};
    if (link_->host != nullptr)
      f(*link_->host);
  }

  void begin_actor();
  void begin_time();
  void end_time();
  void look_at(time_point due);
  void look_at_timeout();
  void once();
  void came_back(const caf::expected<void>& x);
  void fail(std::string type, std::string text);
  void fail_of_exception();
  void end(const exit_status& how, std::optional<call_failure> why);

  std::shared_ptr<host_link> link_;
  run_id run_;
  std::string name_;
  task_plan plan_;
  std::shared_ptr<run_events> to_;
  std::stop_source stopped_;
  std::atomic<bool> has_ended_{false};
  std::atomic<bool> waits_{false}; // for its next time
  std::mutex mutex_;
  std::optional<async<void>> current_;
  caf::actor actor_;
  std::atomic<bool> timed_out_{false};
  bool timer_runs_ = false;
  std::optional<time_point> overdue_at_; // none: it waits, or no timeout
};

} // namespace pm
