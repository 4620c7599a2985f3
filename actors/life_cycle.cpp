#include "actors/life_cycle.hpp"

namespace pm {

namespace {

using s = status;
using e = life_event;
using a = life_action;

constexpr transition table[] = {
  // from          on                 to            then
  {s::pending, e::start, s::starting, a::spawn},
  {s::pending, e::hold, s::pending, a::nothing},
  {s::pending, e::restart, s::starting, a::spawn},
  {s::pending, e::stop, s::stopped, a::retire},
  {s::pending, e::kill, s::stopped, a::retire},

  {s::starting, e::start, s::starting, a::nothing},
  {s::starting, e::restart, s::starting, a::nothing},
  {s::starting, e::stop, s::stopping, a::nothing},
  {s::starting, e::kill, s::stopping, a::nothing},
  {s::starting, e::spawned, s::running, a::nothing},
  {s::starting, e::spawn_failed, s::failed, a::retire},
  {s::starting, e::spawn_retry, s::backoff, a::await_delay},
  {s::starting, e::ended_held, s::pending, a::await_gate},
  {s::starting, e::not_recorded, s::stopped, a::retire},

  {s::running, e::start, s::running, a::nothing},
  {s::running, e::restart, s::stopping, a::terminate},
  {s::running, e::stop, s::stopping, a::terminate},
  {s::running, e::kill, s::stopping, a::kill},
  {s::running, e::ended_well, s::stopped, a::retire},
  {s::running, e::ended_badly, s::failed, a::retire},
  {s::running, e::ended_retry, s::backoff, a::await_delay},
  {s::running, e::ended_held, s::pending, a::await_gate},

  {s::stopping, e::start, s::stopping, a::nothing},
  {s::stopping, e::hold, s::stopping, a::nothing},
  {s::stopping, e::restart, s::stopping, a::nothing},
  {s::stopping, e::stop, s::stopping, a::nothing},
  {s::stopping, e::kill, s::stopping, a::kill},
  {s::stopping, e::spawned, s::stopping, a::terminate},
  {s::stopping, e::spawn_failed, s::stopped, a::retire},
  {s::stopping, e::grace_expired, s::stopping, a::kill},
  {s::stopping, e::group_left, s::stopping, a::await_group},
  {s::stopping, e::ended_well, s::stopped, a::retire},
  {s::stopping, e::ended_badly, s::failed, a::retire},
  {s::stopping, e::ended_retry, s::backoff, a::await_delay},
  {s::stopping, e::ended_again, s::starting, a::spawn},
  {s::stopping, e::ended_held, s::pending, a::await_gate},

  {s::stopped, e::start, s::starting, a::spawn},
  {s::stopped, e::hold, s::pending, a::await_gate},
  {s::stopped, e::restart, s::starting, a::spawn},
  {s::stopped, e::stop, s::stopped, a::nothing},
  {s::stopped, e::kill, s::stopped, a::nothing},

  {s::failed, e::start, s::starting, a::spawn},
  {s::failed, e::hold, s::pending, a::await_gate},
  {s::failed, e::reset, s::stopped, a::nothing},
  {s::failed, e::restart, s::starting, a::spawn},
  {s::failed, e::stop, s::failed, a::nothing},
  {s::failed, e::kill, s::failed, a::nothing},

  {s::backoff, e::start, s::starting, a::spawn},
  {s::backoff, e::hold, s::pending, a::await_gate},
  {s::backoff, e::restart, s::starting, a::spawn},
  {s::backoff, e::delay_elapsed, s::starting, a::spawn},
  {s::backoff, e::stop, s::stopped, a::retire},
  {s::backoff, e::kill, s::stopped, a::retire},

  {s::unknown, e::adopted, s::running, a::nothing},
  {s::unknown, e::start, s::unknown, a::nothing},
  {s::unknown, e::restart, s::unknown, a::nothing},
  {s::unknown, e::stop, s::unknown, a::nothing},
  {s::unknown, e::kill, s::unknown, a::nothing},
  {s::unknown, e::ended_well, s::stopped, a::retire},
  {s::unknown, e::ended_badly, s::failed, a::retire},
  {s::unknown, e::ended_retry, s::backoff, a::await_delay},
  {s::unknown, e::ended_held, s::pending, a::await_gate},
};

constexpr bool deterministic() {
  for (auto& x : table)
    for (auto& y : table)
      if (&x != &y && x.from == y.from && x.on == y.on)
        return false;
  return true;
}

static_assert(deterministic(), "two rows for one (status, event)");

} // namespace

std::span<const transition> transitions() noexcept {
  return table;
}

const transition* find_transition(status from, life_event on) noexcept {
  for (auto& row : table)
    if (row.from == from && row.on == on)
      return &row;
  return nullptr;
}

} // namespace pm
