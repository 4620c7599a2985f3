#pragma once

#include <cstdint>
#include <string>

#include <pm/run_limits.hpp>

// The controllers `memory` and `cpu` of cgroups(7), version 2: what the kernel
// itself holds a run's group to. They are there only where the machine has them
// in version 2, and where the group above `home` may hand them down: one that
// has processes of its own may not, unless it is the root.

namespace pm {

// Hands the controllers down to the groups below `home`. Gives what is in the
// way, in words; empty: both are there.
std::string hand_down_controllers(const std::string& home);

// Writes the limits of the group `path`, and takes away those that are absent.
// Gives which of them the kernel took. The memory that counts is all that the
// kernel charges to the group, its page cache last; without swap. Where that is
// not enough the whole group is killed.
held_limits limit_cgroup(const std::string& path, const run_limits& limits);

// How many processes the kernel has killed for the memory limits of `path`.
uint64_t oom_kills_in(const std::string& path);

} // namespace pm
