#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <pm/units.hpp>

// Whether the kernel's OOM killer ended a process, as far as can be known.

namespace pm {

// How many processes it had ended at one moment; none where nobody says.
struct oom_mark {
  std::optional<uint64_t> machine_kills; // since boot
  std::optional<uint64_t> group_kills;   // in the node's cgroup, or below
  bool operator==(const oom_mark&) const = default;
};

class oom_witness {
public:
  virtual ~oom_witness() = default;

  // What is counted now; may be a tenth of a second old.
  virtual oom_mark mark() = 0;

  // What speaks for it that the OOM killer has ended `pid`, which somebody
  // has: a likelihood, in words. `before` is from when its run began. Empty:
  // nothing does. Reads the kernel's log where a count has grown.
  virtual std::string words(int pid, const oom_mark& before) = 0;
};

// Asks the kernel: /proc/vmstat, the node's own cgroup, /dev/kmsg (for root)
// and /proc/pressure/memory. Any thread.
std::unique_ptr<oom_witness> make_oom_witness();

} // namespace pm
