#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pm/executor.hpp>

namespace pm {

// Runs the functions of all tasks, one at a time, on a thread of its own. One
// that does not come back within `blocked_after` is told of, and the others go
// on on another thread; the blocked one's thread ends when it comes back. With
// nothing to run no thread wakes.
class task_executor : public executor {
public:
  // `on_blocked` is told the name of the task (see `naming`) that blocks its
  // thread; from a thread of the executor.
  explicit task_executor(
    std::function<void(const std::string&)> on_blocked,
    std::chrono::milliseconds blocked_after = std::chrono::milliseconds{1000});

  ~task_executor() override { end(); }

  // Waits for what is running; what is not, is dropped, and nothing is taken
  // any more. Not from a function that it runs.
  void end();

  bool post(std::function<void()> fn) override;
  void post_at(std::chrono::steady_clock::time_point due,
               std::function<void()> fn) override;

  // The same, for a named task. Functions that are posted from within one have
  // its name too.
  void post_for(std::string name, std::function<void()> fn);

private:
  using clock = std::chrono::steady_clock;

  struct job {
    std::string name;
    std::function<void()> fn;
  };

  // A thread that runs jobs, until another one has taken its place.
  struct runner {
    std::thread thread;
    bool is_replaced = false;
    bool is_over = false;
  };

  bool add(job what);
  void add_at(clock::time_point due, job what);
  void start_runner();
  void run(runner& me);
  void watch();
  bool take_due(job& what, std::unique_lock<std::mutex>& lock, runner& me);
  void join_over();

  const std::function<void(const std::string&)> on_blocked_;
  const std::chrono::milliseconds blocked_after_;
  std::mutex mutex_;
  std::condition_variable work_;  // there is a job, or an end
  std::condition_variable watch_; // a job has begun, or an end
  std::deque<job> queue_;
  std::multimap<clock::time_point, job> timers_;
  std::vector<std::unique_ptr<runner>> runners_; // the last one counts
  uint64_t jobs_begun_ = 0;
  bool is_running_ = false; // a job, on the runner that counts
  bool watcher_sleeps_ = false;
  bool is_ending_ = false;
  std::string running_name_;
  std::thread watcher_;
};

} // namespace pm
