#include "actors/supervisor.hpp"

#include <algorithm>

#include <caf/send.hpp>

// What a run says of itself (sd_notify(3)): that it is ready, how it fares,
// that it lives, and that it needs more time.

namespace pm {

namespace {

constexpr auto not_yet = "it has not said READY=1 yet";
constexpr auto not_heard = "it is taken as ready: what it said while no node "
                           "lived was heard by nobody";

std::string_view words_of(notify_message::phase now) {
  switch (now) {
  case notify_message::phase::ready:
    return "READY=1";
  case notify_message::phase::reloading:
    return "RELOADING=1";
  case notify_message::phase::stopping:
    return "STOPPING=1";
  default:
    return not_yet;
  }
}

} // namespace

// -- hearing ------------------------------------------------------------------

// Begins to hear the run, before its spawn and again when its pid is known.
void supervisor_state::listen(int pid) {
  auto& x = spec();
  if (!wants_notify(x) || x.kind == kind::task)
    return;
  if (pid == 0 || !inbox_) {
    inbox_ = std::make_shared<notify_inbox>();
    phase_ = notify_message::phase::none;
    watchdog_ = {};
    watchdog_limit_ = x.watchdog;
  }
  auto& run = record_.state.run_id;
  on_->notify->expect(run, pid, becomes_another(x),
                      [me = supervisor_actor{self_}, inbox = inbox_,
                       text = run.str()](notify_message what) {
                        if (inbox->put(std::move(what)))
                          caf::anon_send(me, notify_atom::value, text);
                      });
}

void supervisor_state::stop_listening() {
  if (std::exchange(inbox_, nullptr))
    on_->notify->forget(record_.state.run_id);
}

void supervisor_state::notified(const std::string& run) {
  if (!inbox_ || !is_current(run))
    return;
  auto said = inbox_->take();
  auto& state = record_.state;
  auto now_is = self_->clock().now();
  if (said.is_alive)
    watchdog_.seen = now_is;
  if (said.extend)
    watchdog_.extended_until =
      std::max(watchdog_.extended_until, now_is + *said.extend);
  auto shown = state.notify_status;
  if (said.status)
    state.notify_status = std::move(*said.status);
  else if (!said.refused.empty())
    state.notify_status = said.refused + " is refused";
  if (state.notify_status != shown)
    publish(state.status);
  if (said.now != notify_message::phase::none)
    take_phase(said.now);
  if (said.wants_restart && state.status == status::running && watchdog_limit_)
    end_for(cause::watchdog, "watchdog: it said WATCHDOG=trigger");
}

// What it was asked to allow for, from now on.
milliseconds supervisor_state::extension_left() const {
  auto left = watchdog_.extended_until - self_->clock().now();
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(left));
}

// -- probes of the kind notify ------------------------------------------------

// Answers those that wait for this. What is said before a probe begins is kept
// for it.
void supervisor_state::take_phase(notify_message::phase now) {
  phase_ = now;
  if (record_.state.status != status::running)
    return;
  auto is_ready = now == notify_message::phase::ready;
  auto role = is_started_up() ? probe_role::readiness : probe_role::startup;
  auto* probe = find_probe(spec(), role);
  if (probe == nullptr || probe->kind != probe_kind::notify
      || (role == probe_role::startup && !is_ready))
    return;
  probe_answered(static_cast<uint64_t>(role), probing_, is_ready,
                 std::string{words_of(now)}, 0);
}

void supervisor_state::begin_notify_probe(const probe_spec& probe) {
  auto& all = record_.state.probes;
  auto is_known = std::any_of(all.begin(), all.end(),
                              [&](auto& x) { return x.role == probe.role; });
  if (!is_known) { // else the node before has heard of it
    probe_report report;
    report.role = probe.role;
    report.text = not_yet;
    report.at = now();
    all.push_back(std::move(report));
  }
  if (phase_ == notify_message::phase::ready)
    self_->send(self_, probe_atom::value, static_cast<uint64_t>(probe.role),
                probing_, true, std::string{words_of(phase_)}, uint64_t{0},
                std::string{});
  else if (probe.role == probe_role::startup)
    self_->delayed_send(self_, probe.initial_delay + probe.period,
                        probe_atom::value, static_cast<uint64_t>(probe.role),
                        probing_);
  else if (may_be_unheard(probe))
    self_->delayed_send(
      self_, probe.initial_delay + probe.period * probe.failure_count,
      probe_atom::value, static_cast<uint64_t>(probe.role), probing_);
}

// True of a run that was taken over from a node that had not heard of it: it
// may have said so when nobody listened, and must not be restarted for that.
bool supervisor_state::may_be_unheard(const probe_spec& probe) const {
  auto& all = record_.state.probes;
  auto found = std::find_if(all.begin(), all.end(),
                            [&](auto& x) { return x.role == probe.role; });
  return is_taken_over_ && phase_ == notify_message::phase::none
         && found != all.end() && found->text == not_yet;
}

// Only a start has a time in which it must be said.
void supervisor_state::await_notify(const probe_spec& probe) {
  if (probe.role == probe_role::startup)
    self_->delayed_send(self_, std::max(probe.period, extension_left()),
                        probe_atom::value, static_cast<uint64_t>(probe.role),
                        probing_);
}

void supervisor_state::ask_notify(const probe_spec& probe) {
  auto is_last = is_started_up(); // readiness is asked but once
  for (auto& x : record_.state.probes)
    if (x.role == probe.role)
      is_last = is_last || x.failures + 1 >= probe.failure_count;
  auto good = is_last && may_be_unheard(probe);
  if (good || !is_started_up())
    probe_answered(static_cast<uint64_t>(probe.role), probing_, good,
                   good ? not_heard : not_yet, 0);
}

// -- the watchdog -------------------------------------------------------------

// It counts from here: when the run has started up, or was taken over.
void supervisor_state::begin_watchdog() {
  if (!watchdog_limit_ || !inbox_)
    return;
  watchdog_.seen = self_->clock().now();
  look_at_watchdog(probing_);
}

void supervisor_state::look_at_watchdog(uint64_t probing) {
  if (probing != probing_ || !watchdog_limit_
      || record_.state.status != status::running)
    return;
  auto wait = watchdog_wait(*watchdog_limit_, watchdog_, self_->clock().now());
  if (wait)
    return self_->delayed_send(self_, *wait, watchdog_atom::value, probing);
  end_for(cause::watchdog, fmt::format("watchdog: no WATCHDOG=1 for {}",
                                       format_duration(*watchdog_limit_)));
}

} // namespace pm
