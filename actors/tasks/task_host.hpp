#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <caf/fwd.hpp>

#include <pm/process_host.hpp>
#include <pm/task.hpp>

#include "actors/tasks/task_executor.hpp"

namespace pm {

// The host of runs that are tasks inside this program; those of all other
// kinds it hands on. A stop signal asks a task to stop; SIGKILL gives up on
// one that does not. Any thread; what the program has written for a task (its
// body, what hears of its stop, what its body holds) never runs on the
// caller's.
class task_host : public process_host {
public:
  // `processes` must outlive it.
  task_host(caf::actor_system& system, process_host& processes,
            std::function<void(const std::string&)> note);

  // Waits for tasks that are in the middle of something.
  ~task_host() override;

  // What the task of this handle id does, from its next start on. Who defines
  // it says afterwards, once, whether it stays: if not, what was before does.
  std::function<void(bool)> define(const std::string& handle_id,
                                   task_plan plan);

  // There is no such process any more.
  void undefine(const std::string& handle_id);

  void spawn(spawn_request what, std::shared_ptr<run_events> to) override;
  void adopt(spawn_request what, std::shared_ptr<run_events> to) override;
  void signal(const run_id& run, int number, signal_scope scope) override;
  void watch_group(const run_id& run) override;
  void write_stdin(const run_id& run, std::string bytes,
                   std::function<void(expected<void>)> done) override;
  void close_stdin(const run_id& run) override;
  void collect(const run_id& run,
               std::function<void(run_output)> done) override;
  void consumed(const run_id& run, stream which, size_t bytes) override;
  void limit(const run_id& run, const run_limits& allowed) override;
  void acknowledge(const run_id& run) override;

private:
  struct host_link;
  class task_run;
  using shared_plan = std::shared_ptr<const task_plan>;

  void take_back(const std::string& handle_id, const shared_plan& plan,
                 const shared_plan& before);
  std::shared_ptr<task_run> find(const run_id& run);
  void forget(const run_id& run);
  task_executor& runner() { return of(executor_); }
  task_executor& of(std::shared_ptr<task_executor>& x);
  void aside(const std::string& name, std::function<void()> fn);

  caf::actor_system& system_;
  process_host& processes_;
  std::function<void(const std::string&)> note_;
  std::shared_ptr<host_link> link_;
  std::mutex mutex_;
  std::map<std::string, shared_plan> plans_;
  std::map<run_id, std::shared_ptr<task_run>> runs_;
  std::shared_ptr<task_executor> executor_; // with the first task
  // For what is told to tasks that may be on it.
  std::shared_ptr<task_executor> aside_;
};

} // namespace pm
