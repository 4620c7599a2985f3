#include "actors/limit_policy.hpp"

#include <utility>

namespace pm {

namespace {

constexpr double cpu_back_within = 0.9;

std::string size_text(uint64_t bytes) {
  constexpr auto mega = 1'000'000.0;
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / mega);
}

// The cores used on average over the window; none before it is full.
std::optional<double> average(limit_watch& watch, std::chrono::microseconds cpu,
                              limit_watch::time_point now) {
  auto& all = watch.cpu;
  all.push_back({now, cpu});
  // One that is at least as old as the window stays.
  while (all.size() > 1 && now - all[1].at >= cpu_window)
    all.erase(all.begin());
  auto span = now - all.front().at;
  if (span < cpu_window)
    return std::nullopt;
  using seconds = std::chrono::duration<double>;
  return seconds{cpu - all.front().cpu} / seconds{span};
}

} // namespace

run_limits limits_of(const process_spec& spec) {
  return {spec.memory_limit, spec.cpu_limit};
}

bool needs_measuring(const process_spec& spec, const held_limits& held) {
  return ((spec.memory_limit && !held.memory) || (spec.cpu_limit && !held.cpu))
         && spec.kind != kind::task;
}

std::string killed_words(const process_spec& spec) {
  return fmt::format("memory_limit: the kernel has ended it, the limit is {}",
                     size_text(spec.memory_limit.value_or(0)));
}

limit_finding judge_usage(const process_spec& spec, limit_watch& watch,
                          uint64_t rss_bytes, std::chrono::microseconds cpu,
                          int processes, limit_watch::time_point now) {
  auto used = average(watch, cpu, now);
  if (spec.memory_limit && !watch.held.memory && rss_bytes > *spec.memory_limit)
    return {limit_turn::over_memory,
            fmt::format("memory_limit: {} used by {} process{}, the limit is "
                        "{}",
                        size_text(rss_bytes), processes,
                        processes == 1 ? "" : "es",
                        size_text(*spec.memory_limit))};
  if (!spec.cpu_limit || watch.held.cpu || !used)
    return {};
  if (watch.over_cpu.empty() && *used > *spec.cpu_limit) {
    watch.over_cpu =
      fmt::format("cpu_limit: {:.2f} cores used over the last {}, the limit is "
                  "{:.2f}",
                  *used, format_duration(cpu_window), *spec.cpu_limit);
    return {limit_turn::over_cpu, watch.over_cpu};
  }
  if (!watch.over_cpu.empty() && *used <= *spec.cpu_limit * cpu_back_within)
    return {limit_turn::within_cpu, std::exchange(watch.over_cpu, {})};
  return {};
}

} // namespace pm
