#include "actors/supervisor.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include <caf/send.hpp>

#include "actors/side_run.hpp"
#include "runtime/os/proc.hpp"

// How a stop goes on: the stop command, one signal after the other, SIGKILL,
// and what is said when not even that helps. And the gate: what waits before
// it begins.

namespace pm {

namespace {

// What SIGKILL has not ended by then is given up on: nobody waits for it any
// longer.
constexpr milliseconds kill_patience{10'000};

// Why a process lives on after SIGKILL, as far as can be seen.
std::string why_alive(const identity& who) {
  auto pidfd = open_pidfd(who.pid, who.start_ticks);
  if (!pidfd)
    return "its end has not been told";
  if (auto ok = send_signal(pidfd->get(), 0); !ok)
    return ok.error().text;
  auto stat = read_process_stat(who.pid);
  if (!stat)
    return "its end has not been told";
  return stat->state == 'D' ? "state D, it waits in the kernel"
                            : fmt::format("state {}", stat->state);
}

} // namespace

// -- the steps of a stop ------------------------------------------------------

void supervisor_state::begin_stop() {
  ++timer_; // a SIGKILL that was sent before it began is not waited for
  stop_step_ = 0;
  stop_text_.clear();
  kill_hooks(false);
  if (!is_over_ && !begin_hook(hook_moment::pre_stop))
    begin_stop_steps();
}

void supervisor_state::begin_stop_steps() {
  if (spec().shutdown.command.empty())
    return send_stop_signal();
  auto me = supervisor_actor{self_};
  auto run =
    begin_side_run(*on_, record_, "stop", spec().shutdown.command,
                   [me](const run_id& ended, bool good, std::string text) {
                     caf::anon_send(me, command_atom::value, ended.str(),
                                    good ? std::string{} : std::move(text));
                   });
  stop_command_ = run;
  is_command_step_ = true;
  auto limit = spec().shutdown.timeout;
  self_->delayed_send(self_, limit, command_atom::value, run.str());
  self_->delayed_send(self_, limit, grace_atom::value, ++grace_timer_);
}

void supervisor_state::send_stop_signal() {
  is_command_step_ = false;
  auto& shutdown = spec().shutdown;
  auto step = stop_step_ == 0 ? pm::stop_step{shutdown.signal, shutdown.timeout}
                              : shutdown.then[stop_step_ - 1];
  on_->host->signal(record_.state.run_id, step.signal, scope());
  // A stopped process obeys when it is continued.
  on_->host->signal(record_.state.run_id, SIGCONT, scope());
  self_->delayed_send(self_, step.timeout, grace_atom::value, ++grace_timer_);
}

// Goes on to the next signal; false if SIGKILL is what is left.
bool supervisor_state::go_on_stopping() {
  if (record_.state.status != status::stopping || forced_)
    return false;
  if (is_command_step_) {
    send_stop_signal();
    return true;
  }
  if (stop_step_ >= spec().shutdown.then.size())
    return false;
  ++stop_step_;
  send_stop_signal();
  return true;
}

void supervisor_state::stop_command_ended(const std::string& run,
                                          const std::string& why_failed) {
  if (!stop_command_ || stop_command_->str() != run)
    return;
  on_->host->acknowledge(*std::exchange(stop_command_, std::nullopt));
  if (is_over_)
    return go_on_concluding();
  if (why_failed.empty())
    return;
  stop_text_ = fmt::format("stop command: {}", why_failed);
  if (record_.state.status == status::stopping && is_command_step_ && !forced_)
    send_stop_signal();
}

void supervisor_state::stop_command_overdue(const std::string& run) {
  if (stop_command_ && stop_command_->str() == run)
    on_->host->signal(*stop_command_, SIGKILL, signal_scope::whole_tree);
}

// SIGKILL was sent long ago. It is shown as it is, and nobody waits longer;
// should it end one day, its life goes on as it would have.
void supervisor_state::give_up(uint64_t timer) {
  auto& state = record_.state;
  // What runs beside it at its end has a time of its own.
  if (timer != timer_ || state.status != status::stopping || is_over_)
    return;
  state.status_text = fmt::format(
    "SIGKILL was sent {} ago, and {}", format_duration(kill_patience),
    exit_
      ? fmt::format("others of the tree of pid {} live on", state.identity.pid)
      : fmt::format("pid {} lives on ({})", state.identity.pid,
                    why_alive(state.identity)));
  state.last_updated = now();
  keep_intent();
  error why{ec::timeout, fmt::format("stop '{}': {}; it is given up on and "
                                     "stays stopping",
                                     id(), state.status_text)};
  reject_all(std::exchange(stop_waiters_, {}), why);
  reject_all(std::exchange(start_waiters_, {}), why);
}

void supervisor_state::arm_give_up() {
  self_->delayed_send(self_, kill_patience, give_up_atom::value, timer_);
}

// -- the gate -----------------------------------------------------------------

// What a wish to be up leads to now.
life_event supervisor_state::next_start() const {
  return gate_open_ && !record_.state.awaits_due ? life_event::start
                                                 : life_event::hold;
}

void supervisor_state::gate(bool open) {
  gate_open_ = open;
  auto& state = record_.state;
  if (!open || state.status != status::pending || !state.wanted
      || state.awaits_due)
    return;
  if (!spec().depends_on.empty()) {
    state.asked.cause = cause::dependency;
    state.asked.at = now();
  }
  step(life_event::start);
}

void supervisor_state::gate_stays(const error& why) {
  if (record_.state.status == status::pending)
    reject_all(std::exchange(start_waiters_, {}), why);
}

void supervisor_state::await_gate() {
  before_start_.reset();
  is_unborn_ = false;
  answer_all(stop_waiters_);
}

// How long the restart is still to wait. A clock that was set back makes
// nothing wait longer than the policy ever would.
milliseconds supervisor_state::delay_left() const {
  auto most = std::max(spec().restart_delay_max, milliseconds{1000});
  auto left = record_.state.retry_at.value_or(now()) - now();
  return std::clamp<milliseconds>(left, milliseconds{0}, most);
}

// -- reset --------------------------------------------------------------------

supervisor_state::outcome supervisor_state::reset(const request_context& by) {
  if (leaving_)
    return nobody_here("reset");
  auto promise = self_->make_response_promise<change_outcome>();
  auto& state = record_.state;
  auto changes = state.status == status::failed || state.failures != 0
                 || !state.recent_starts.empty();
  state.failures = 0;
  state.recent_starts.clear();
  if (changes)
    note(by);
  request_id_ = by.request_id;
  if (state.status == status::failed) {
    state.status_text.clear();
    step(life_event::reset);
  } else if (changes) {
    keep_intent();
  }
  answer(promise, changes);
  return promise;
}

} // namespace pm
