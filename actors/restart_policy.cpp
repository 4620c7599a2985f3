#include "actors/restart_policy.hpp"

#include <algorithm>
#include <cmath>

namespace pm {

namespace {

// The second restart in a row waits this long where the spec gives no delay.
constexpr milliseconds default_restart_delay{100};

bool within(const start_limit& limit, timestamp start, timestamp now) {
  return start <= now && now - start < limit.interval;
}

} // namespace

bool is_success(const process_spec& spec, const exit_status& exit) {
  auto& codes = spec.success_exit_codes;
  auto& signals = spec.success_signals;
  if (exit.reason == exit_reason::exited && exit.code)
    return std::find(codes.begin(), codes.end(), *exit.code) != codes.end();
  return exit.reason == exit_reason::signaled && exit.signal
         && std::find(signals.begin(), signals.end(), *exit.signal)
              != signals.end();
}

milliseconds restart_delay(const process_spec& spec, int failures,
                           double chance) {
  auto first = spec.restart_delay.value_or(default_restart_delay);
  auto exponent = failures - (spec.restart_delay ? 1 : 2);
  if (exponent < 0)
    return milliseconds{0};
  auto limit = static_cast<double>(spec.restart_delay_max.count());
  auto ms = std::min(limit, static_cast<double>(first.count())
                              * std::pow(spec.restart_factor, exponent));
  ms *= 1.0 + spec.restart_jitter * (2.0 * chance - 1.0);
  return milliseconds{std::llround(std::clamp(ms, 0.0, limit))};
}

bool start_limit_reached(const process_spec& spec, const process_state& state,
                         timestamp now) {
  auto recent = std::count_if(
    state.recent_starts.begin(), state.recent_starts.end(),
    [&](timestamp start) { return within(spec.start_limit, start, now); });
  return recent >= spec.start_limit.burst;
}

void note_start(const process_spec& spec, process_state& state, timestamp now) {
  auto& starts = state.recent_starts;
  std::erase_if(starts, [&](timestamp start) {
    return !within(spec.start_limit, start, now);
  });
  starts.push_back(now);
  if (auto burst = static_cast<size_t>(std::max(spec.start_limit.burst, 1));
      starts.size() > burst)
    starts.erase(starts.begin(), starts.end() - static_cast<long>(burst));
}

void excuse_start(process_state& state) {
  if (!state.recent_starts.empty())
    state.recent_starts.pop_back();
}

restart_decision decide_restart(const process_spec& spec,
                                const process_state& state,
                                const exit_status& exit, milliseconds uptime,
                                timestamp now, double chance) {
  restart_decision result;
  if (spec.restart == restart_mode::never
      || (spec.restart == restart_mode::on_failure && is_success(spec, exit)))
    return result;
  auto before = uptime >= spec.restart_reset_after ? 0 : state.failures;
  result.failures = before + 1;
  result.delay = restart_delay(spec, result.failures, chance);
  if (start_limit_reached(spec, state, now + result.delay)) {
    result.gave_up = true;
    result.text =
      fmt::format("gave up: {} starts within {}", spec.start_limit.burst,
                  format_duration(spec.start_limit.interval));
    return result;
  }
  result.restart = true;
  if (result.delay.count() > 0)
    result.text = fmt::format("restarts in {}", format_duration(result.delay));
  return result;
}

} // namespace pm
