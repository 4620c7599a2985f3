#include "actors/supervisor.hpp"

#include <algorithm>
#include <csignal>

#include <caf/send.hpp>

#include "actors/probe_policy.hpp"
#include "actors/side_run.hpp"

// Probes: asked one question at a time each, the next one a period after the
// last was asked. A startup probe goes first; readiness and liveness follow
// its success.

namespace pm {

// A run goes on: as new, or taken over from the node before.
void supervisor_state::begin_probes(bool is_new) {
  ++probing_;
  auto& state = record_.state;
  if (is_new) {
    state.ready = false;
    state.health = health::unchecked;
    state.probes.clear();
  }
  is_taken_over_ = !is_new;
  probe_offset_ = 0;
  begin_limits();
  auto* startup = find_probe(spec(), probe_role::startup);
  if (startup != nullptr && !is_started_up())
    return schedule_probe(*startup, true);
  begin_steady_probes();
}

bool supervisor_state::is_started_up() const {
  if (find_probe(spec(), probe_role::startup) == nullptr)
    return true;
  for (auto& x : record_.state.probes)
    if (x.role == probe_role::startup && x.verdict == health::healthy)
      return true;
  return false;
}

void supervisor_state::begin_steady_probes() {
  begin_watchdog();
  for (auto role : {probe_role::readiness, probe_role::liveness})
    if (auto* probe = find_probe(spec(), role))
      schedule_probe(*probe, true);
}

// The last answers stay for `show` until the next run.
void supervisor_state::end_probes() {
  ++probing_;
  end_limits();
  record_.state.ready = false;
  record_.state.health = health::unchecked;
  for (auto& x : asking_)
    if (x.cancel)
      x.cancel();
}

void supervisor_state::schedule_probe(const probe_spec& probe, bool is_first) {
  if (probe.kind == probe_kind::notify)
    return is_first ? begin_notify_probe(probe) : await_notify(probe);
  auto delay = is_first ? probe.initial_delay : probe.period;
  self_->delayed_send(self_, delay, probe_atom::value,
                      static_cast<uint64_t>(probe.role), probing_);
}

void supervisor_state::ask_probe(uint64_t role, uint64_t probing) {
  auto* probe = find_probe(spec(), static_cast<probe_role>(role));
  if (probing != probing_ || probe == nullptr)
    return;
  if (probe->kind == probe_kind::notify)
    return ask_notify(*probe);
  auto& open = asking_[role];
  if (open.cancel) { // an earlier probe's
    open.again = true;
    return open.cancel();
  }
  probe_question question;
  question.what = *probe;
  question.log_file = log_file_of(*on_, record_.definition);
  question.run_id = record_.state.run_id;
  question.offset = probe_offset_;
  question.since = record_.state.started_at;
  if (probe->kind == probe_kind::exec)
    question.begin = make_probe_command(on_, record_, probe->command);
  open.is_command = probe->kind == probe_kind::exec;
  open.cancel =
    on_->probes->ask(std::move(question), [me = supervisor_actor{self_}, role,
                                           probing](probe_answer answer) {
      caf::anon_send(me, probe_atom::value, role, probing, answer.good,
                     std::move(answer.text), answer.offset,
                     answer.run_id.str());
    });
}

// One question at a time: the next one is asked after this.
void supervisor_state::probe_ended(uint64_t role, const std::string& run) {
  if (auto id = run_id::parse(run); id && *id)
    on_->host->acknowledge(*id);
  if (std::exchange(asking_[role], {}).again)
    ask_probe(role, probing_);
}

void supervisor_state::probe_answered(uint64_t role, uint64_t probing,
                                      bool good, std::string text,
                                      uint64_t offset) {
  if (is_over_)
    return go_on_concluding();
  auto* probe = find_probe(spec(), static_cast<probe_role>(role));
  if (probing != probing_ || probe == nullptr)
    return;
  if (probe->kind == probe_kind::log_line)
    probe_offset_ = offset;
  auto& all = record_.state.probes;
  auto found = std::find_if(all.begin(), all.end(),
                            [&](auto& x) { return x.role == probe->role; });
  if (found == all.end())
    found = all.insert(all.end(), probe_report{probe->role});
  if (!good && probe->role == probe_role::startup
      && extension_left().count() > 0) {
    found->text = std::move(text); // it has asked for more time
    publish(record_.state.status);
    return go_on_probing(*probe);
  }
  auto turn = note_answer(*probe, *found, good, std::move(text), now());
  if (turn != probe_turn::none)
    return probe_turned(*probe, turn == probe_turn::good);
  publish(record_.state.status); // for `show`
  go_on_probing(*probe);
}

// A line that was seen stays seen; a startup probe is over when it succeeds.
void supervisor_state::go_on_probing(const probe_spec& probe) {
  auto is_over =
    probe.kind == probe_kind::log_line || probe.role == probe_role::startup;
  for (auto& x : record_.state.probes)
    if (x.role == probe.role && x.verdict == health::healthy && is_over)
      return;
  schedule_probe(probe, false);
}

void supervisor_state::probe_turned(const probe_spec& probe, bool good) {
  auto& state = record_.state;
  switch (probe.role) {
  case probe_role::startup:
    if (!good)
      return end_for_probe(probe);
    state.ready = find_probe(spec(), probe_role::readiness) == nullptr;
    begin_steady_probes();
    break;
  case probe_role::readiness:
    state.ready = good;
    break;
  case probe_role::liveness:
    state.health = good ? health::healthy : health::unhealthy;
    if (!good)
      return end_for_probe(probe);
    break;
  }
  state.last_updated = now();
  keep_intent();
  go_on_probing(probe);
}

// The run is ended, and the restart policy decides as after a failure.
void supervisor_state::end_for_probe(const probe_spec& probe) {
  auto& state = record_.state;
  std::string text;
  for (auto& x : state.probes)
    if (x.role == probe.role)
      text = x.text;
  end_for(cause::probe,
          fmt::format("{} probe failed: {}", to_string(probe.role), text));
}

void supervisor_state::end_for(cause why, std::string text) {
  auto& state = record_.state;
  state.status_text = failing_ = std::move(text);
  failing_cause_ = why;
  state.asked = asker{why, state.asked.correlation_id, -1, 0, {}, now()};
  end_asked_ = state.asked;
  ++probing_;
  step(life_event::stop);
}

} // namespace pm
