#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <pm/run_limits.hpp>
#include <pm/spec.hpp>

// Whether a run uses more than its definition allows. Pure.

namespace pm {

// CPU use is judged by its average over so long, memory at once.
constexpr milliseconds cpu_window{10'000};

// What is known of a run's use, from sample to sample.
struct limit_watch {
  using time_point = std::chrono::steady_clock::time_point;

  struct sample {
    time_point at;
    std::chrono::microseconds cpu{0}; // since the run began
  };

  bool is_on = false;
  held_limits held;        // by the kernel: nobody has to measure these
  std::vector<sample> cpu; // of the last `cpu_window`, the oldest first
  std::string over_cpu;    // what was told of it; empty: it is within
};

// What a sample has changed.
//   over_memory  it uses more memory than allowed
//   over_cpu     its average has come above the limit; told once
//   within_cpu   it has come back, to nine tenths of the limit
enum class limit_turn : uint8_t { none, over_memory, over_cpu, within_cpu };

struct limit_finding {
  limit_turn turn = limit_turn::none;
  // In words, where it is above a limit; of within_cpu, what had been told.
  std::string text;
};

run_limits limits_of(const process_spec& spec);

// True if a run of `spec` is to be measured.
bool needs_measuring(const process_spec& spec, const held_limits& held);

// Of a run that the kernel has ended for its memory.
std::string killed_words(const process_spec& spec);

// Takes a sample into account.
limit_finding judge_usage(const process_spec& spec, limit_watch& watch,
                          uint64_t rss_bytes, std::chrono::microseconds cpu,
                          int processes, limit_watch::time_point now);

} // namespace pm
