#include <algorithm>
#include <utility>

#include "actors/schedule_clock.hpp"
#include "actors/supervisor.hpp"

// Runs that are due by the clock: the process is pending between them.

namespace pm {

namespace {

// The wall clock may be set, and the machine may sleep: neither moves a timer.
constexpr milliseconds look_again{60'000};

} // namespace

// Looks what is due, and when to look again. After each change of what it goes
// by: the definition, what is wanted, a run that is over.
void supervisor_state::follow_schedule() {
  ++schedule_timer_;
  auto& state = record_.state;
  if (!spec().schedule || !state.wanted || going_down_ || leaving_)
    return;
  auto before = state.due_at;
  auto at = now();
  // What runs without a time, since a person has started it, is the first run.
  if (auto interval = spec().schedule->interval;
      interval && !state.due_at && !state.awaits_due)
    state.due_at = at + *interval;
  auto look = look_at(*spec().schedule, state.due_at, at);
  state.due_at = look.next;
  auto wait = look_again;
  if (look.next)
    wait = std::clamp<milliseconds>(*look.next - at, milliseconds{1}, wait);
  self_->delayed_send(self_, wait, schedule_atom::value, schedule_timer_);
  if (!look.left_out.empty())
    note_trouble(std::move(look.left_out));
  if (look.is_due)
    begin_due();
  else if (before != state.due_at)
    keep_intent();
}

void supervisor_state::look_at_schedule(uint64_t timer) {
  if (timer == schedule_timer_)
    follow_schedule();
}

// Nobody wants it up any more.
void supervisor_state::leave_schedule() {
  auto& state = record_.state;
  state.due_at.reset();
  state.awaits_due = state.due_again = false;
  ++schedule_timer_;
}

void supervisor_state::take_new_schedule() {
  auto& state = record_.state;
  auto awaits_due = state.awaits_due;
  leave_schedule();
  if (!spec().schedule) {
    if (!awaits_due)
      return keep_intent();
    state.asked = asker{cause::config, make_correlation_id(), -1, 0, {}, now()};
    step(next_start()); // it is wanted up
    if (state.status == status::pending)
      keep_intent();
    return;
  }
  auto was_done =
    !state.wanted && !state.held_down
    && (state.status == status::stopped || state.status == status::failed);
  state.wanted = state.wanted || was_done;
  state.awaits_due = awaits_due || was_done;
  if (!state.wanted)
    return keep_intent();
  if (auto interval = spec().schedule->interval; interval && state.started_at)
    state.due_at = std::max(*state.started_at + *interval, now());
  if (was_done)
    step(next_start());
  follow_schedule();
  keep_intent();
}

void supervisor_state::begin_due() {
  auto& state = record_.state;
  if (is_alive(state.status) || state.status == status::backoff)
    return overlap();
  if (state.status == status::pending && !state.awaits_due)
    return keep_intent(); // the one before has not got what it waits for
  state.awaits_due = false;
  state.failures = 0;
  state.recent_starts.clear();
  state.asked = asker{cause::schedule, make_correlation_id(), -1, 0, {}, now()};
  auto from = state.status;
  step(next_start());
  if (state.status == from)
    keep_intent();
}

// A run is due, and the one before is not over.
void supervisor_state::overlap() {
  auto& state = record_.state;
  auto what = spec().schedule->overlap;
  if (what == overlap_policy::skip)
    return note_trouble(
      fmt::format("a run was due at {} and was left out: the one before is {}",
                  format_timestamp(now()), to_string(state.status)));
  auto can_be_replaced =
    state.status == status::running || state.status == status::backoff;
  if (what == overlap_policy::queue || !can_be_replaced) {
    state.due_again = true;
    return keep_intent();
  }
  state.asked = asker{cause::schedule, make_correlation_id(), -1, 0, {}, now()};
  if (state.status == status::backoff) {
    step(next_start());
    return;
  }
  again_ = true;
  end_asked_ = state.asked;
  step(life_event::restart);
}

// A run is over: the next one may be due already.
void supervisor_state::go_on_by_schedule() {
  if (!spec().schedule || record_.state.status != status::pending)
    return;
  follow_schedule();
  if (std::exchange(record_.state.due_again, false))
    begin_due();
}

} // namespace pm
