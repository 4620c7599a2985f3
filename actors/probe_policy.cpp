#include "actors/probe_policy.hpp"

#include <algorithm>

namespace pm {

probe_turn note_answer(const probe_spec& spec, probe_report& report, bool good,
                       std::string text, timestamp at) {
  report.text = std::move(text);
  report.at = at;
  report.successes = good ? report.successes + 1 : 0;
  report.failures = good ? 0 : report.failures + 1;
  if (good && report.verdict != health::healthy
      && report.successes >= spec.success_count) {
    report.verdict = health::healthy;
    return probe_turn::good;
  }
  if (!good && report.verdict != health::unhealthy
      && report.failures >= spec.failure_count) {
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

} // namespace pm
