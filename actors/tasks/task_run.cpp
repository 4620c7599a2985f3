#include "actors/tasks/task_run.hpp"

#include <csignal>
#include <unistd.h>
#include <utility>

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include "actors/functions/exception_type.hpp"
#include "actors/supervision.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

namespace {

using clock = std::chrono::steady_clock;

// How long a task that was asked to stop for its timeout may take.
constexpr milliseconds overdue_grace{10'000};

// This program, which a task is part of.
identity own_identity() {
  identity result;
  result.pid = static_cast<int>(::getpid());
  if (auto ticks = read_start_ticks(result.pid))
    result.start_ticks = *ticks;
  return result;
}

} // namespace

void task_host::task_run::begin() {
  to_->spawned(own_identity(), wall_clock());
  begin_time();
  with_host([this](task_host& host) {
    host.runner().post_for(name_, [self = shared_from_this()] {
      if (self->plan_.body.spawn())
        self->begin_actor();
      else
        self->once();
    });
  });
}

void task_host::task_run::stop() {
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

void task_host::task_run::give_up() {
  end({exit_reason::signaled, {}, SIGKILL},
      call_failure{"pm.Abandoned",
                   "it did not stop when it was asked to; what it is doing "
                   "goes on in its thread until that returns",
                   {}});
}

void task_host::task_run::begin_actor() {
  if (stopped_.stop_requested())
    return end({exit_reason::exited, 0, {}}, {});
  caf::actor_system* system = nullptr; // outlives whoever makes actors here
  with_host([&](task_host& host) { system = &host.system_; });
  if (system == nullptr)
    return;
  caf::actor actor;
  try {
    actor = plan_.body.spawn()(*system);
  } catch (...) {
    return fail_of_exception();
  }
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
  if (stopped_.stop_requested()) // before there was somebody to be told
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}

// -- its timeout ------------------------------------------------------------

void task_host::task_run::begin_time() {
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

void task_host::task_run::end_time() {
  std::lock_guard guard{mutex_};
  overdue_at_.reset();
}

// One timer at a time, however often the task comes again.
void task_host::task_run::look_at(time_point due) {
  with_host([&](task_host& host) {
    host.runner().post_at(due, [self = weak_from_this()] {
      if (auto me = self.lock())
        me->look_at_timeout();
    });
  });
}

void task_host::task_run::look_at_timeout() {
  time_point due;
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
    return give_up(); // it has been asked to stop
  if (is_overdue)
    stop();
  look_at(due);
}

// -- its work ---------------------------------------------------------------

void task_host::task_run::once() {
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
    if (stopped_.stop_requested()) // before there was something to cancel
      running.cancel();
    running.then([self = shared_from_this()](const caf::expected<void>& x) {
      self->came_back(x);
    });
  } catch (...) {
    fail_of_exception();
  }
}

void task_host::task_run::came_back(const caf::expected<void>& x) {
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

void task_host::task_run::fail(std::string type, std::string text) {
  end({exit_reason::exited, 1, {}},
      call_failure{std::move(type), std::move(text), {}});
}

// Within a catch.
void task_host::task_run::fail_of_exception() {
  try {
    throw;
  } catch (const std::exception& what) {
    fail(type_of_exception(), what.what());
  } catch (...) {
    fail(type_of_exception(), "an exception that is no std::exception");
  }
}

// The first end counts.
void task_host::task_run::end(const exit_status& how,
                              std::optional<call_failure> why) {
  if (has_ended_.exchange(true))
    return;
  run_exit exit;
  exit.exit = how;
  exit.at = wall_clock();
  exit.failure = std::move(why);
  if (timed_out_) {
    exit.exit = {exit_reason::timeout, how.code, how.signal};
    if (!exit.failure)
      exit.failure = call_failure{
        "pm.Timeout",
        fmt::format("it took longer than {}", format_duration(*plan_.timeout)),
        {}};
  }
  auto self = shared_from_this();
  with_host([this](task_host& host) { host.forget(run_); });
  to_->exited(std::move(exit));
}

} // namespace pm
