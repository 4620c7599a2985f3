#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <pm/call.hpp>
#include <pm/spec.hpp>

// Calls of functions in warm workers.

namespace pm {

// The pools of workers that serve `run_function` and `run_python`. They begin
// with the first call.
struct call_pool_options {
  size_t function_workers = 4; // processes, at most
  size_t python_workers = 4;
  std::string interpreter; // of Python; empty: python3
  std::vector<std::string> python_path;
  uint64_t calls_max = 100'000;       // of one worker, then a fresh one
  uint64_t bytes_max = 1u << 30;      // moved by one worker, the same
  milliseconds idle_max{60'000};      // unused workers end after that
  int poison_max = 3;                 // workers that one call may kill
  std::vector<resource_limit> limits; // of each worker
};

// What a call gave back.
struct call_result {
  json_text value;
  std::string stdout_text; // what the function printed, 16 MiB at most
  std::string stderr_text;
  std::chrono::microseconds duration{0};
};

} // namespace pm
