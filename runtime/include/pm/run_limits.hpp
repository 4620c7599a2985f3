#pragma once

#include <cstdint>
#include <optional>

namespace pm {

// What a run may use, with all that it begins.
struct run_limits {
  std::optional<uint64_t> memory_bytes;
  std::optional<double> cores;

  bool operator==(const run_limits&) const = default;
};

// Which limits the kernel itself holds a run to, so that nobody has to measure.
struct held_limits {
  bool memory = false;
  bool cpu = false;

  bool operator==(const held_limits&) const = default;
};

} // namespace pm
