#include "actors/loop_runner.hpp"

#include <caf/actor_system.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

namespace pm {

namespace {

// Messages that one actor may take in a row, and actors resumed between two
// polls: what bounds the time for which descriptors wait.
constexpr size_t messages_per_resume = 64;
constexpr size_t resumes_per_turn = 512;

} // namespace

void loop_runner::enqueue(caf::resumable* what) {
  if (loop_.in_loop()) {
    local_.push_back(what);
    return;
  }
  auto first = false;
  {
    std::lock_guard lock{mutex_};
    first = remote_.empty();
    remote_.push_back(what);
  }
  if (first)
    loop_.wake();
}

void loop_runner::take_remote() {
  std::lock_guard lock{mutex_};
  local_.insert(local_.end(), remote_.begin(), remote_.end());
  remote_.clear();
}

bool loop_runner::turn(caf::execution_unit& context) {
  take_remote();
  for (size_t n = 0; n < resumes_per_turn && !local_.empty(); ++n)
    resume_next(context);
  return !local_.empty();
}

void loop_runner::resume_next(caf::execution_unit& context) {
  auto* next = local_.front();
  local_.pop_front();
  switch (next->resume(&context, messages_per_resume)) {
  case caf::resumable::resume_later:
    local_.push_back(next);
    break;
  case caf::resumable::done:
  case caf::resumable::awaiting_message:
    caf::intrusive_ptr_release(next);
    break;
  case caf::resumable::shutdown_execution_unit:
    break;
  }
}

void loop_runner::drain(const std::function<void(caf::resumable*)>& release) {
  take_remote();
  for (auto* x : local_)
    release(x);
  local_.clear();
}

loop_home::loop_home(caf::actor_system& system, event_loop& loop)
  : loop_(loop), runner_(loop), door_(system, runner_), outside_(system) {
  loop_.set_turn_hook([this] { return runner_.turn(outside_); });
}

loop_home::~loop_home() {
  loop_.set_turn_hook({});
  runner_.drain([](caf::resumable* x) { caf::intrusive_ptr_release(x); });
}

void loop_home::outside_unit::exec_later(caf::resumable* what) {
  system().scheduler().enqueue(what);
}

} // namespace pm
