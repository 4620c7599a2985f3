#include "actors/tasks/task_host.hpp"

#include <csignal>
#include <utility>

#include <caf/actor_system.hpp>

#include "actors/tasks/task_run.hpp"

namespace pm {

task_host::task_host(caf::actor_system& system, process_host& processes,
                     std::function<void(const std::string&)> note)
  : system_(system),
    processes_(processes),
    note_(std::move(note)),
    link_(std::make_shared<host_link>()) {
  link_->host = this;
}

task_host::~task_host() {
  decltype(runs_) runs;
  {
    std::lock_guard guard{mutex_};
    runs = runs_;
  }
  for (auto& [run, x] : runs)
    x->stop();
  {
    std::lock_guard guard{link_->mutex};
    link_->host = nullptr;
  }
  for (auto& x : {executor_, aside_})
    if (x)
      x->end();
}

void task_host::aside(const std::string& name, std::function<void()> fn) {
  of(aside_).post_for(name, std::move(fn));
}

std::function<void(bool)> task_host::define(const std::string& handle_id,
                                            task_plan plan) {
  struct change {
    shared_plan mine;
    shared_plan before;
  };
  auto made = std::make_shared<change>();
  made->mine = std::make_shared<const task_plan>(std::move(plan));
  std::lock_guard guard{mutex_};
  made->before = std::exchange(plans_[handle_id], made->mine);
  return [link = link_, handle_id, made](bool stays) {
    auto [mine, before] = std::exchange(*made, {});
    std::lock_guard linked{link->mutex};
    if (link->host == nullptr || (stays && !before))
      return;
    if (!stays)
      link->host->take_back(handle_id, mine, before);
    link->host->aside(handle_id, [mine = std::move(mine),
                                  before = std::move(before)]() mutable {
      mine.reset();
      before.reset();
    });
  };
}

void task_host::take_back(const std::string& handle_id, const shared_plan& plan,
                          const shared_plan& before) {
  std::lock_guard guard{mutex_};
  auto found = plans_.find(handle_id);
  if (found == plans_.end() || found->second != plan)
    return; // somebody was quicker
  if (before)
    found->second = before;
  else
    plans_.erase(found);
}

void task_host::undefine(const std::string& handle_id) {
  shared_plan last;
  {
    std::lock_guard guard{mutex_};
    auto found = plans_.find(handle_id);
    if (found == plans_.end())
      return;
    last = std::move(found->second);
    plans_.erase(found);
  }
  aside(handle_id, [last = std::move(last)]() mutable { last.reset(); });
}

task_executor& task_host::of(std::shared_ptr<task_executor>& x) {
  std::lock_guard guard{mutex_};
  if (!x)
    x = std::make_shared<task_executor>([this](const std::string& name) {
      if (note_)
        note_(fmt::format("warning task '{}' blocks its thread; the other "
                          "tasks go on without it",
                          name));
    });
  return *x;
}

std::shared_ptr<task_host::task_run> task_host::find(const run_id& run) {
  std::lock_guard guard{mutex_};
  auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : found->second;
}

void task_host::forget(const run_id& run) {
  std::lock_guard guard{mutex_};
  runs_.erase(run);
}

void task_host::spawn(spawn_request what, std::shared_ptr<run_events> to) {
  if (what.kind != kind::task)
    return processes_.spawn(std::move(what), std::move(to));
  std::shared_ptr<task_run> run;
  {
    std::lock_guard guard{mutex_};
    if (auto plan = plans_.find(what.handle_id); plan != plans_.end()) {
      run = std::make_shared<task_run>(link_, what.run_id, what.handle_id,
                                       *plan->second, to);
      runs_[what.run_id] = run;
    }
  }
  if (run == nullptr)
    return to->spawn_failed(
      {ec::spawn_failed,
       fmt::format("spawn '{}': this program has no task of that name; "
                   "start_async_task defines it",
                   what.handle_id)});
  run->begin();
}

void task_host::adopt(spawn_request what, std::shared_ptr<run_events> to) {
  processes_.adopt(std::move(what), std::move(to)); // a task is never adopted
}

void task_host::signal(const run_id& run, int number, signal_scope scope) {
  auto task = find(run);
  if (task == nullptr)
    return processes_.signal(run, number, scope);
  if (number == SIGCONT)
    return;
  if (number == SIGKILL)
    task->give_up();
  auto name = task->name();
  aside(name, [task = std::move(task)]() mutable {
    task->stop();
    task.reset();
  });
}

void task_host::watch_group(const run_id& run) {
  processes_.watch_group(run);
}

void task_host::write_stdin(const run_id& run, std::string bytes,
                            std::function<void(expected<void>)> done) {
  processes_.write_stdin(run, std::move(bytes), std::move(done));
}

void task_host::close_stdin(const run_id& run) {
  processes_.close_stdin(run);
}

void task_host::collect(const run_id& run,
                        std::function<void(run_output)> done) {
  processes_.collect(run, std::move(done));
}

void task_host::consumed(const run_id& run, stream which, size_t bytes) {
  processes_.consumed(run, which, bytes);
}

void task_host::limit(const run_id& run, const run_limits& allowed) {
  processes_.limit(run, allowed); // of a task it knows nothing
}

void task_host::acknowledge(const run_id& run) {
  processes_.acknowledge(run);
}

async<void> sleep_for(std::chrono::milliseconds x) {
  x = detail::bounded(x);
  async<void> result;
  auto state = result.shared();
  auto* here = executor::current();
  if (here == nullptr) {
    state->complete(
      to_caf({ec::invalid_argument, "sleep_for: only within a task"}));
    return result;
  }
  state->on_cancel([state] {
    state->complete(to_caf({ec::cancelled, "the task was asked to stop"}));
  });
  here->post_at(std::chrono::steady_clock::now() + x,
                [state] { state->complete({}); });
  return result;
}

} // namespace pm
