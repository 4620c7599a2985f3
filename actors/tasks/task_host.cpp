#include "actors/tasks/task_host.hpp"

#include <csignal>
#include <unistd.h>
#include <utility>

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "actors/functions/exception_type.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

namespace {

using clock = std::chrono::steady_clock;

// How long a task that was asked to stop for its timeout may take.
constexpr milliseconds overdue_grace{10'000};

timestamp wall_clock() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

// This program, which a task is part of.
identity own_identity() {
  identity result;
  result.pid = static_cast<int>(::getpid());
  if (auto ticks = read_start_ticks(result.pid))
    result.start_ticks = *ticks;
  return result;
}

} // namespace

// The way to the host, as long as there is one: a coroutine may come back
// after that.
struct task_host::host_link {
  std::mutex mutex;
  task_host* host = nullptr;
};

// One life of a task. Its functions run on the executor; the rest on any
// thread.
class task_host::task_run : public std::enable_shared_from_this<task_run> {
public:
  task_run(std::shared_ptr<host_link> link, run_id run, std::string name,
           task_plan plan, std::shared_ptr<run_events> to)
    : link_(std::move(link)),
      run_(run),
      name_(std::move(name)),
      plan_(std::move(plan)),
      to_(std::move(to)) {}

  void begin() {
    to_->spawned(own_identity(), wall_clock());
    begin_time();
    if (plan_.body.spawn())
      return begin_actor();
    with_host([this](task_host& host) {
      host.runner().post_for(name_,
                             [self = shared_from_this()] { self->once(); });
    });
  }

  void stop() {
    stopped_.request_stop();
    std::optional<async<void>> current;
    caf::actor actor;
    {
      std::lock_guard guard{mutex_};
      current = current_;
      actor = actor_;
    }
    if (actor)
      return caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    if (current)
      current->cancel();
    else if (waits_.exchange(false)) // for its next time
      end({exit_reason::exited, 0, {}}, {});
  }

  void give_up() {
    stop();
    end({exit_reason::signaled, {}, SIGKILL},
        call_failure{"pm.Abandoned",
                     "it did not stop when it was asked to; what it is doing "
                     "goes on in its thread until that returns",
                     {}});
  }

private:
  template <class F>
  void with_host(F f) {
    std::lock_guard guard{link_->mutex};
    if (link_->host != nullptr)
      f(*link_->host);
  }

  void begin_actor() {
    caf::actor actor;
    with_host(
      [&](task_host& host) { actor = plan_.body.spawn()(host.system_); });
    if (!actor)
      return fail("pm.Error", "no actor was made");
    {
      std::lock_guard guard{mutex_};
      actor_ = actor;
    }
    actor->attach_functor([self = shared_from_this()](const caf::error& why) {
      auto is_well = !why || why == caf::exit_reason::normal
                     || why == caf::exit_reason::user_shutdown;
      if (is_well)
        self->end({exit_reason::exited, 0, {}}, {});
      else
        self->end({exit_reason::exited, 1, {}},
                  call_failure{"caf::error", from_caf(why).text, {}});
      std::lock_guard guard{self->mutex_};
      self->actor_ = nullptr;
    });
  }

  // -- its timeout ------------------------------------------------------------

  void begin_time() {
    if (!plan_.timeout)
      return;
    auto due = clock::now() + *plan_.timeout;
    {
      std::lock_guard guard{mutex_};
      overdue_at_ = due;
      if (std::exchange(timer_runs_, true))
        return;
    }
    look_at(due);
  }

  void end_time() {
    std::lock_guard guard{mutex_};
    overdue_at_.reset();
  }

  // One timer at a time, however often the task comes again.
  void look_at(clock::time_point due) {
    with_host([&](task_host& host) {
      host.runner().post_at(due, [self = weak_from_this()] {
        if (auto me = self.lock())
          me->look_at_timeout();
      });
    });
  }

  void look_at_timeout() {
    clock::time_point due;
    auto is_overdue = false;
    {
      std::lock_guard guard{mutex_};
      timer_runs_ = overdue_at_.has_value() && !has_ended_;
      if (!timer_runs_)
        return;
      is_overdue = clock::now() >= *overdue_at_;
      if (is_overdue)
        overdue_at_ = clock::now() + overdue_grace;
      due = *overdue_at_;
    }
    if (is_overdue && timed_out_.exchange(true))
      return give_up();
    if (is_overdue)
      stop();
    look_at(due);
  }

  // -- its work ---------------------------------------------------------------

  void once() {
    if (waits_.exchange(false))
      begin_time();
    if (stopped_.stop_requested())
      return end({exit_reason::exited, 0, {}}, {});
    try {
      auto running = plan_.body.run()(stopped_.get_token());
      {
        std::lock_guard guard{mutex_};
        current_ = running;
      }
      running.then([self = shared_from_this()](const caf::expected<void>& x) {
        self->came_back(x);
      });
    } catch (const std::exception& what) {
      fail(type_of_exception(), what.what());
    } catch (...) {
      fail(type_of_exception(), "an exception that is no std::exception");
    }
  }

  void came_back(const caf::expected<void>& x) {
    {
      std::lock_guard guard{mutex_};
      current_.reset();
    }
    end_time();
    if (stopped_.stop_requested())
      return end({exit_reason::exited, 0, {}}, {});
    if (!x)
      return fail("pm.Error", from_caf(x.error()).text);
    if (!plan_.interval)
      return end({exit_reason::exited, 0, {}}, {});
    waits_ = true;
    if (stopped_.stop_requested() && waits_.exchange(false))
      return end({exit_reason::exited, 0, {}}, {});
    with_host([this](task_host& host) {
      host.runner().post_at(clock::now() + *plan_.interval,
                            [self = weak_from_this()] {
                              if (auto me = self.lock(); me && me->waits_)
                                me->once();
                            });
    });
  }

  void fail(std::string type, std::string text) {
    end({exit_reason::exited, 1, {}},
        call_failure{std::move(type), std::move(text), {}});
  }

  // The first end counts.
  void end(const exit_status& how, std::optional<call_failure> why) {
    if (has_ended_.exchange(true))
      return;
    run_exit exit;
    exit.exit = how;
    exit.at = wall_clock();
    exit.failure = std::move(why);
    if (timed_out_) {
      exit.exit = {exit_reason::timeout, how.code, how.signal};
      if (!exit.failure)
        exit.failure =
          call_failure{"pm.Timeout",
                       fmt::format("it took longer than {}",
                                   format_duration(*plan_.timeout)),
                       {}};
    }
    auto self = shared_from_this();
    with_host([this](task_host& host) { host.forget(run_); });
    to_->exited(std::move(exit));
  }

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
  std::optional<clock::time_point> overdue_at_; // none: it waits, or no timeout
};

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
  executor_.reset();
}

void task_host::define(const std::string& handle_id, task_plan plan) {
  std::lock_guard guard{mutex_};
  plans_.insert_or_assign(handle_id, std::move(plan));
}

task_executor& task_host::runner() {
  std::lock_guard guard{mutex_};
  if (!executor_)
    executor_ =
      std::make_unique<task_executor>([this](const std::string& name) {
        if (note_)
          note_(fmt::format("warning task '{}' blocks its thread; the other "
                            "tasks go on without it",
                            name));
      });
  return *executor_;
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
                                       plan->second, to);
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
  if (number == SIGKILL)
    task->give_up();
  else if (number != SIGCONT)
    task->stop();
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
