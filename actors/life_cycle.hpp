#pragma once

#include <span>

#include <pm/status.hpp>

// The life cycle of a process: one pure table of (status, event) rows.

namespace pm {

// What moves a life.
//   start         up is wanted
//   stop          down is wanted, with grace
//   hold          up is wanted, and something is to be waited for
//   kill          down is wanted at once
//   restart       this life is to end and another to begin
//   spawned       exec succeeded
//   spawn_failed  it did not, and no restart is due
//   spawn_retry   it did not, and a restart is due
//   ended_well    the run is over, as wanted or with success
//   ended_badly   the run is over otherwise, and no restart is due
//   ended_retry   the run is over and a restart is due
//   ended_again   the run is over and up was asked for meanwhile
//   ended_held    the same, and something is to be waited for
//   reset         a failure is to be forgotten
//   group_left    the process is reaped, others of its group live on
//   grace_expired the time between the signal and SIGKILL has passed
//   delay_elapsed the restart is due now
//   not_recorded  the start was refused by the registry, nothing has begun
//   adopted       a run from before this node was proven alive
// clang-format off
#define PM_LIFE_EVENTS(X) \
  X(start) X(hold) X(stop) X(kill) X(restart) X(spawned) X(spawn_failed) \
  X(spawn_retry) X(ended_well) X(ended_badly) X(ended_retry) \
  X(ended_again) X(ended_held) X(reset) X(group_left) X(grace_expired) X(delay_elapsed) \
  X(not_recorded) X(adopted)
// clang-format on
PM_ENUM(life_event, PM_LIFE_EVENTS)

// What a step asks the supervisor to do after the status has changed.
//   nothing      the change is all
//   spawn        begin a run
//   await_gate   begin none before the manager says so
//   await_delay  arm the restart timer
//   terminate    send the stop signal, arm the grace timer
//   kill         SIGKILL to what the kill mode names
//   await_group  wait for the rest of the group, the grace timer goes on
//   retire       the run is over, and no new one will begin by itself
// clang-format off
#define PM_LIFE_ACTIONS(X) \
  X(nothing) X(spawn) X(await_gate) X(await_delay) X(terminate) X(kill) \
  X(await_group) X(retire)
// clang-format on
PM_ENUM(life_action, PM_LIFE_ACTIONS)

struct transition {
  status from = status::pending;
  life_event on = life_event::start;
  status to = status::pending;
  life_action then = life_action::nothing;
};

// The whole table; no two rows share (from, on).
std::span<const transition> transitions() noexcept;

// The row for this pair, or null: the step is refused.
const transition* find_transition(status from, life_event on) noexcept;

} // namespace pm
