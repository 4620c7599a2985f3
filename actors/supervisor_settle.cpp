#include "actors/supervisor.hpp"

#include "runtime/os/proc.hpp"

// After a restart of the node: what became of the run before.

namespace pm {

void supervisor_state::settle(const supervisor_start& how) {
  auto& state = record_.state;
  auto& held = how.held;
  keeper_bytes_ = held ? held->keeper_bytes : 0;
  is_stored_ = was_stored_ = !how.is_new;
  if (held && held->ended && !is_alive(state.status))
    acknowledge(held->run_id); // its end is on disk already
  if (state.status == status::backoff) {
    act(life_action::await_delay);
  } else if (is_alive(state.status)) {
    auto was_stopping = state.status == status::stopping;
    if (was_stopping)
      end_asked_ = state.asked;
    state.status = status::unknown;
    if (held)
      settle_held(*held, was_stopping);
    else
      settle_unheld();
  }
  if (how.is_new && !is_stored_)
    persist();
}

void supervisor_state::settle_held(const held_run& held, bool was_stopping) {
  auto& state = record_.state;
  state.identity = held.identity;
  if (!state.started_at)
    state.started_at = now();
  auto request = make_spawn_request(*on_, record_);
  if (state.removable)
    request.output = output_mode::capture;
  // Of a run that has ended, the host tells the exit again, after what its
  // pipes still hold has been moved.
  on_->host->adopt(std::move(request), make_run_relay(self_, state.run_id));
  if (held.ended)
    return tell_fate(run_fate::ended, held.ended->exit);
  tell_fate(run_fate::adopted);
  oom_ = on_->oom->mark();
  step(life_event::adopted);
  await_time_limit(now() - *state.started_at);
  listen(state.identity.pid);
  begin_probes(false);
  if (!was_stopping)
    return;
  again_ = state.wanted; // a restart, or a shutdown that was cut short
  step(again_ ? life_event::restart : life_event::stop);
}

void supervisor_state::settle_unheld() {
  auto& state = record_.state;
  if (state.identity.pid == 0) { // the intent only: it never began
    tell_fate(run_fate::never_began);
    state.status = status::stopped;
    publish(status::unknown);
    persist();
    if (state.wanted)
      step(next_start());
  } else if (spec().kind == kind::task) {
    tell_fate(run_fate::lost);
    end_as_lost("it ended with the program that it was a task of");
  } else if (lives_on()) {
    auto request = make_spawn_request(*on_, record_);
    request.identity = state.identity;
    request.foreign = state.foreign;
    on_->host->adopt(std::move(request), make_run_relay(self_, state.run_id));
    tell_fate(run_fate::adopted);
    step(life_event::adopted);
    await_time_limit(now() - state.started_at.value_or(now()));
    listen(state.identity.pid);
    begin_probes(false);
  } else {
    tell_fate(run_fate::lost);
    run_exit lost;
    lost.at = now();
    finish(std::move(lost));
  }
}

// True if the run's process is proven to live.
bool supervisor_state::lives_on() const {
  auto& who = record_.state.identity;
  if (who.pid == 0 || who.boot_id != on_->boot_id
      || !open_pidfd(who.pid, who.start_ticks))
    return false;
  // Start times count in 10 ms; what we have spawned leads a session for good.
  auto stat = read_process_stat(who.pid);
  return record_.state.foreign || (stat && stat->session_id == who.pid);
}

// It lives, and cannot be watched: nothing is started beside it.
void supervisor_state::leave_alone() {
  end_as_lost(fmt::format("pid {} lives on, and cannot be watched",
                          record_.state.identity.pid));
}

void supervisor_state::end_as_lost(std::string why) {
  auto& state = record_.state;
  state.wanted = false;
  state.exit = exit_status{};
  state.status_text = std::move(why);
  step(life_event::ended_badly);
}

void supervisor_state::tell_fate(run_fate fate,
                                 const std::optional<exit_status>& exit) {
  recovered_run found{
    id(), record_.state.run_id, record_.state.identity.pid, fate,
    exit, keeper_bytes_};
  self_->send(manager_, settled_atom::value, std::move(found));
}

void supervisor_state::autostart() {
  auto& state = record_.state;
  if (is_alive(state.status) || state.status == status::backoff)
    return;
  state.wanted = true;
  if (state.status != status::pending) {
    state.asked = asker{cause::config, make_correlation_id(), -1, 0, {}, now()};
    state.awaits_due = spec().schedule.has_value();
  }
  step(next_start());
}

} // namespace pm
