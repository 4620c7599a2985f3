#include "actors/tasks/task_executor.hpp"

#include <csignal>
#include <pthread.h>
#include <utility>

namespace pm {

namespace {

thread_local executor* current_executor = nullptr;
thread_local std::string current_name;

// Signals are for the threads of the host.
template <class F>
std::thread quiet_thread(F f) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread result{std::move(f)};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

} // namespace

executor* executor::current() noexcept {
  return current_executor;
}

executor* executor::set_current(executor* x) noexcept {
  return std::exchange(current_executor, x);
}

task_executor::task_executor(std::function<void(const std::string&)> on_blocked,
                             std::chrono::milliseconds blocked_after)
  : on_blocked_(std::move(on_blocked)), blocked_after_(blocked_after) {}

void task_executor::end() {
  {
    std::lock_guard guard{mutex_};
    if (std::exchange(is_ending_, true))
      return;
    work_.notify_all();
    watch_.notify_all();
  }
  if (watcher_.joinable())
    watcher_.join();
  for (auto& x : runners_)
    if (x->thread.joinable())
      x->thread.join();
}

bool task_executor::post(std::function<void()> fn) {
  return add(
    {current_executor == this ? current_name : std::string{}, std::move(fn)});
}

void task_executor::post_for(std::string name, std::function<void()> fn) {
  add({std::move(name), std::move(fn)});
}

void task_executor::post_at(std::chrono::steady_clock::time_point due,
                            std::function<void()> fn) {
  add_at(due, {current_executor == this ? current_name : std::string{},
               std::move(fn)});
}

bool task_executor::add(job what) {
  std::lock_guard guard{mutex_};
  if (is_ending_)
    return false;
  queue_.push_back(std::move(what));
  start_runner();
  work_.notify_one();
  return true;
}

void task_executor::add_at(clock::time_point due, job what) {
  std::lock_guard guard{mutex_};
  if (is_ending_)
    return;
  timers_.emplace(due, std::move(what));
  start_runner();
  work_.notify_one();
}

// The first job brings the threads.
void task_executor::start_runner() {
  if (!runners_.empty() && !runners_.back()->is_replaced)
    return;
  auto& me = *runners_.emplace_back(std::make_unique<runner>());
  me.thread = quiet_thread([this, &me] { run(me); });
  if (!watcher_.joinable())
    watcher_ = quiet_thread([this] { watch(); });
}

// Waits for the next job; false if there will be none for this runner.
bool task_executor::take_due(job& what, std::unique_lock<std::mutex>& lock,
                             runner& me) {
  for (;;) {
    if (is_ending_ || me.is_replaced)
      return false;
    while (!timers_.empty() && timers_.begin()->first <= clock::now()) {
      queue_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (!queue_.empty()) {
      what = std::move(queue_.front());
      queue_.pop_front();
      return true;
    }
    if (timers_.empty())
      work_.wait(lock);
    else
      work_.wait_until(lock, timers_.begin()->first);
  }
}

void task_executor::run(runner& me) {
  set_current(this);
  std::unique_lock lock{mutex_};
  job what;
  while (take_due(what, lock, me)) {
    ++jobs_begun_;
    is_running_ = true;
    running_name_ = what.name;
    if (watcher_sleeps_)
      watch_.notify_one();
    lock.unlock();
    current_name = std::move(what.name);
    what.fn();
    what.fn = nullptr; // what it holds may end a task
    lock.lock();
    if (!me.is_replaced)
      is_running_ = false;
  }
  me.is_over = true;
  // A notification that was meant for another runner.
  work_.notify_one();
}

void task_executor::watch() {
  std::unique_lock lock{mutex_};
  while (!is_ending_) {
    if (!is_running_) {
      watcher_sleeps_ = true;
      watch_.wait(lock);
      watcher_sleeps_ = false;
      continue;
    }
    auto job = jobs_begun_;
    watch_.wait_for(lock, blocked_after_, [&] { return is_ending_; });
    if (is_ending_ || !is_running_ || jobs_begun_ != job)
      continue;
    auto name = running_name_;
    runners_.back()->is_replaced = true;
    is_running_ = false;
    join_over();
    start_runner();
    lock.unlock();
    on_blocked_(name);
    lock.lock();
  }
}

void task_executor::join_over() {
  std::erase_if(runners_, [](auto& x) {
    if (!x->is_over)
      return false;
    x->thread.join();
    return true;
  });
}

} // namespace pm
