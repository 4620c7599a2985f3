#include "actors/supervisor.hpp"

#include <csignal>
#include <utility>

#include "actors/call_command.hpp"
#include "actors/restart_policy.hpp"

// How a life goes on: the steps of the table, what they ask for, and what the
// host and the timers say.

namespace pm {

namespace {

// How long a stop waits for its record to be written.
constexpr milliseconds stop_record_limit{500};

} // namespace

// -- the one door -------------------------------------------------------------

bool supervisor_state::step(life_event on) {
  auto* row = find_transition(record_.state.status, on);
  if (row == nullptr)
    return false;
  apply(*row);
  return true;
}

void supervisor_state::apply(const transition& row) {
  auto& state = record_.state;
  auto then = row.then;
  if (then == life_action::spawn)
    begin_run();
  if (row.from == status::running && row.to != status::running)
    end_probes();
  if (row.from == status::starting && row.to == status::stopping)
    kill_hooks(false);
  if (row.to != row.from) {
    ++timer_; // what was timed for the old status does not count any more
    state.status = row.to;
    state.last_updated = now();
    if (row.to != status::backoff)
      state.retry_at.reset();
    publish(row.from);
    if (then == life_action::terminate || then == life_action::kill)
      persist_and_signal(std::exchange(then, life_action::nothing));
    else if (then != life_action::retire || !is_run_once())
      persist(); // before any answer: answers wait for what was written
  }
  act(then);
  if (ended_run_) // behind the write of its end
    acknowledge(*std::exchange(ended_run_, std::nullopt));
}

// A node that dies between the two would take the end for a failure, so the
// wish to end it is written first. A disk that does not answer holds no stop
// up.
void supervisor_state::persist_and_signal(life_action what) {
  unsent_ = what;
  persist([this, timer = timer_](const error*) { send_unsent(timer); });
  self_->delayed_send(self_, stop_record_limit, stop_atom::value, timer_);
}

void supervisor_state::send_unsent(uint64_t timer) {
  if (timer != timer_ || !unsent_)
    return;
  act(*std::exchange(unsent_, std::nullopt));
}

void supervisor_state::act(life_action what) {
  switch (what) {
  case life_action::nothing:
    if (record_.state.status == status::running)
      answer_all(start_waiters_);
    break;
  case life_action::spawn:
    answer_all(stop_waiters_); // goes on in write_done: the intent is first
    break;
  case life_action::await_gate:
    await_gate();
    break;
  case life_action::await_delay:
    self_->delayed_send(self_, delay_left(), delay_atom::value, timer_);
    break;
  case life_action::terminate:
    terminate();
    break;
  case life_action::kill:
    kill();
    break;
  case life_action::await_group:
    on_->host->watch_group(record_.state.run_id);
    if (forced_)
      kill();
    break;
  case life_action::retire:
    answer_all(stop_waiters_);
    if (is_run_once())
      finish_run(); // its end and its removal are one write
    break;
  }
}

// -- beginning ----------------------------------------------------------------

void supervisor_state::begin_run() {
  auto& state = record_.state;
  again_ = forced_ = timed_out_ = was_killed_ = false;
  oom_ = on_->oom->mark();
  exit_.reset();
  end_asked_.reset();
  state.run_asked = state.asked;
  state.run_id = run_id::make(now());
  state.foreign = false;
  state.identity = {};
  state.started_at.reset();
  state.status_text.clear();
  state.probes.clear();
  state.notify_status.clear();
  failing_.clear();
  limits_.held = {};
  note_start(spec(), state, now());
  spawn_pending_ = true;
  spawn_written_ = false;
}

void supervisor_state::spawn() {
  is_unborn_ = false;
  auto request =
    make_spawn_request(*on_, record_, run_ ? &run_->request : nullptr);
  if (run_) {
    request.stdin_pipe = run_->request.stdin_pipe;
    request.output =
      run_->request.stream ? output_mode::stream : output_mode::capture;
    request.capture_max = run_->request.capture_max;
    request.protect = false;
  }
  if (spec().call && spec().kind != kind::task)
    if (auto ready = prepare_call(*on_, record_, request); !ready) {
      ended_run_ = record_.state.run_id;
      return fail_spawn(ready.error());
    }
  listen(0); // it may speak before we know its pid
  on_->host->spawn(std::move(request),
                   make_run_relay(self_, record_.state.run_id));
}

void supervisor_state::spawned(const std::string& run, const identity& who,
                               timestamp at) {
  if (!is_current(run))
    return;
  auto& state = record_.state;
  state.identity = who;
  state.identity.boot_id = on_->boot_id;
  state.started_at = at;
  if (run_ && run_->listener)
    self_->send(run_->listener, spawned_atom::value, make_view(*on_, record_));
  await_time_limit(milliseconds{0});
  listen(who.pid);
  step(life_event::spawned);
  if (state.status != status::running)
    return;
  begin_probes(true);
  begin_hook(hook_moment::post_start);
}

void supervisor_state::refused(const std::string& run, const error& why) {
  if (!is_current(run))
    return;
  ended_run_ = record_.state.run_id;
  fail_spawn(why);
}

void supervisor_state::fail_spawn(error why) {
  stop_listening();
  auto& state = record_.state;
  state.exit = exit_status{exit_reason::spawn_failed, {}, {}};
  state.ended_at = now();
  note_end(*state.exit, *state.ended_at);
  ended_->text = why.text;
  if (run_)
    run_->why_not = why;
  if (why.code == ec::keeper_failed)
    excuse_start(state);
  auto event = classify(*state.exit, milliseconds{0}, *state.ended_at);
  if (event == life_event::ended_retry)
    event = life_event::spawn_retry;
  else if (event != life_event::ended_again && event != life_event::ended_held)
    event = life_event::spawn_failed;
  auto next = std::exchange(state.status_text, why.text);
  add_to_status(next);
  step(event);
  if (state.status != status::starting)
    reject_all(std::exchange(start_waiters_, {}),
               {why.code, fmt::format("{}; '{}' is now {}", why.text, id(),
                                      to_string(state.status))});
  go_on_by_schedule();
}

// -- ending -------------------------------------------------------------------

void supervisor_state::terminate() {
  if (forced_)
    return kill();
  begin_stop();
}

void supervisor_state::kill() {
  forced_ = true;
  kill_hooks(true);
  on_->host->signal(record_.state.run_id, SIGKILL, scope());
  arm_give_up();
}

void supervisor_state::exited(const std::string& run, run_exit how) {
  if (!is_current(run) || exit_)
    return;
  if (how.exit.reason == exit_reason::lost && lives_on())
    return leave_alone();
  if (record_.state.status == status::stopping && how.group_alive
      && scope() != signal_scope::one_process) {
    exit_ = std::make_unique<run_exit>(std::move(how));
    step(life_event::group_left);
    return;
  }
  conclude(std::move(how));
}

void supervisor_state::group_gone(const std::string& run) {
  if (is_current(run) && exit_ && !is_over_)
    conclude(std::move(*exit_));
}

void supervisor_state::finish(run_exit how) {
  auto& state = record_.state;
  auto killer = oom_words(how);
  if (how.over_memory && state.status == status::running && failing_.empty())
    blame_memory();
  stop_listening();
  ended_run_ = state.run_id;
  if (timed_out_)
    how.exit.reason = exit_reason::timeout;
  auto uptime = state.started_at
                  ? std::max(milliseconds{0}, how.at - *state.started_at)
                  : milliseconds{0};
  note_end(how.exit, how.at);
  state.exit = how.exit;
  state.ended_at = how.at;
  state.identity = {};
  std::optional<call_outcome> outcome;
  if (how.failure)
    outcome = call_outcome{{}, std::move(how.failure)};
  else if (spec().call && spec().kind != kind::task)
    outcome = outcome_of(*on_, state.run_id, how.exit);
  // A call that gave no result did not end well, though its exit says so by
  // being 0. Another code is a success where the spec names it.
  auto is_void = outcome && outcome->failure && how.exit.code == 0;
  if (is_void)
    killer = outcome->failure->message;
  state.outcome.reset();
  if (outcome)
    state.outcome = for_the_record(*outcome);
  ++limit_timer_;
  if (run_) {
    auto& result = run_->result;
    result = {id(),
              std::move(how.stdout_text),
              std::move(how.stderr_text),
              how.stdout_cut,
              how.stderr_cut,
              how.exit,
              std::move(outcome),
              uptime};
  }
  for (auto& feeder : feeders_)
    feeder.deliver(to_caf(
      {ec::not_running, fmt::format("stdin of '{}': it has ended", id())}));
  feeders_.clear();
  auto judged = is_void ? exit_status{exit_reason::timeout, {}, {}} : how.exit;
  auto event = classify(judged, uptime, how.at);
  if (auto text = std::exchange(stop_text_, {}); state.status_text.empty())
    state.status_text = std::move(text);
  add_to_status(killer);
  ended_->text = state.status_text;
  step(event);
  go_on_by_schedule();
}

life_event supervisor_state::classify(const exit_status& exit,
                                      milliseconds uptime, timestamp at) {
  auto& state = record_.state;
  state.status_text.clear();
  if (again_)
    return gate_open_ ? life_event::ended_again : life_event::ended_held;
  if (going_down_ || (!state.wanted && !timed_out_))
    return life_event::ended_well;
  auto by_us = !failing_.empty();
  auto judged = by_us ? exit_status{exit_reason::timeout, {}, {}} : exit;
  auto decision =
    timed_out_ || state.removable
      ? restart_decision{}
      : decide_restart(spec(), state, judged, uptime, at, on_->chance());
  state.failures = decision.failures;
  state.status_text = decision.text;
  if (by_us)
    state.status_text =
      decision.text.empty() ? failing_ : failing_ + "; " + decision.text;
  if (decision.restart) {
    state.asked = asker{by_us ? failing_cause_ : cause::policy,
                        state.asked.correlation_id,
                        -1,
                        0,
                        {},
                        at};
    // From now on, not from `at`: a clock may have been set in between.
    state.retry_at = now() + decision.delay;
    return life_event::ended_retry;
  }
  if (spec().schedule && state.wanted) {
    state.awaits_due = true;
    return life_event::ended_held;
  }
  state.wanted = false;
  return is_success(spec(), judged) && !decision.gave_up
           ? life_event::ended_well
           : life_event::ended_badly;
}

void supervisor_state::output(const std::string& run, stream which,
                              std::string chunk) {
  if (run_ && run_->listener && is_current(run))
    self_->send(run_->listener, output_atom::value, id(), which,
                std::move(chunk));
  else
    on_->host->consumed(record_.state.run_id, which, chunk.size());
}

// -- timers -------------------------------------------------------------------

void supervisor_state::grace_expired(uint64_t timer) {
  if (timer != grace_timer_ || forced_)
    return;
  if (auto left = extension_left(); left.count() > 0)
    return self_->delayed_send(self_, left, grace_atom::value, timer);
  if (!go_on_stopping())
    step(life_event::grace_expired);
}

void supervisor_state::delay_elapsed(uint64_t timer) {
  if (timer != timer_ || record_.state.status != status::backoff)
    return;
  if (auto why = record_.state.asked.cause;
      why == cause::policy || why == cause::probe || why == cause::watchdog
      || why == cause::memory_limit)
    ++record_.state.restart_count;
  step(gate_open_ ? life_event::delay_elapsed : life_event::hold);
}

// -- small words --------------------------------------------------------------

// The group of a process that another program began may have that program in
// it.
signal_scope supervisor_state::scope() const {
  if (record_.state.foreign)
    return signal_scope::one_process;
  switch (spec().shutdown.kill) {
  case kill_mode::process:
    return signal_scope::one_process;
  case kill_mode::group:
    return signal_scope::whole_group;
  default:
    return signal_scope::whole_tree;
  }
}

bool supervisor_state::is_run_once() const {
  return run_ || record_.state.removable;
}

bool supervisor_state::is_current(const std::string& run) const {
  return record_.state.run_id.str() == run && is_alive(record_.state.status);
}

timestamp supervisor_state::now() const {
  return on_->now();
}

const process_spec& supervisor_state::spec() const {
  return record_.definition.spec;
}

const std::string& supervisor_state::id() const {
  return record_.definition.handle_id;
}

} // namespace pm
