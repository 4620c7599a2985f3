#include "actors/probe_policy.hpp"

#include <algorithm>
#include <utility>

namespace pm {

probe_turn note_answer(const probe_spec& spec, probe_report& report, bool good,
                       std::string text, timestamp at) {
  auto said = spec.kind == probe_kind::notify;
  auto needed = said ? 1 : spec.success_count;
  auto allowed =
    said && spec.role == probe_role::readiness ? 1 : spec.failure_count;
  report.text = std::move(text);
  report.at = at;
  report.successes = good ? report.successes + 1 : 0;
  report.failures = good ? 0 : report.failures + 1;
  if (good && report.verdict != health::healthy && report.successes >= needed) {
    report.verdict = health::healthy;
    return probe_turn::good;
  }
  if (!good && report.verdict != health::unhealthy
      && report.failures >= allowed) {
    report.verdict = health::unhealthy;
    return probe_turn::bad;
  }
  return probe_turn::none;
}

const probe_spec* find_probe(const process_spec& spec, probe_role role) {
  for (auto& x : spec.probes)
    if (x.role == role)
      return &x;
  return nullptr;
}

bool has_readiness(const process_spec& spec) {
  return find_probe(spec, probe_role::startup) != nullptr
         || find_probe(spec, probe_role::readiness) != nullptr;
}

bool wants_notify(const process_spec& spec) {
  return spec.watchdog
         || std::any_of(spec.probes.begin(), spec.probes.end(),
                        [](auto& x) { return x.kind == probe_kind::notify; });
}

const hook_spec* find_hook(const process_spec& spec, hook_moment moment) {
  for (auto& x : spec.hooks)
    if (x.moment == moment)
      return &x;
  return nullptr;
}

std::optional<milliseconds> watchdog_wait(milliseconds interval,
                                          watchdog_state& state,
                                          watchdog_state::time_point now) {
  auto due = std::max(state.seen + interval, state.extended_until);
  if (now < due) {
    state.is_doubtful = false;
    return std::chrono::ceil<milliseconds>(due - now);
  }
  if (std::exchange(state.is_doubtful, true))
    return std::nullopt;
  return watchdog_doubt;
}

} // namespace pm
