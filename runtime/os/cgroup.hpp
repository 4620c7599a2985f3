#pragma once

#include <string>
#include <vector>

#include <pm/error.hpp>

// Groups of cgroups(7), version 2: one holds a run with all that it begins,
// whatever that does to its session, parent or environment.

namespace pm {

// The group under which a node's runs have theirs: below the one that this
// process is in, named after the state directory. Kept from an earlier start,
// of which `<state_dir>/cgroup` tells. Empty groups that are left are removed.
// Errors: system_failed (no cgroup2, not permitted, no cgroup.kill).
expected<std::string> make_cgroup_home(const std::string& state_dir);

// True if an earlier start has made one, and it is still there.
bool has_cgroup_home(const std::string& state_dir);

// True if a process enters a fresh group without waiting for the kernel's grace
// period, which is milliseconds each: the mount has `favordynmods`.
bool cgroups_are_cheap();

// Makes the group `path`; it may be there. Errors: system_failed.
expected<void> make_cgroup(const std::string& path);

// Removes it if it is empty.
void remove_cgroup(const std::string& path) noexcept;

bool is_cgroup(const std::string& path) noexcept;

// True if a process is in it or below.
bool is_populated(const std::string& path);

// Sends a signal to each process in it; SIGKILL to all at once.
void signal_cgroup(const std::string& path, int number);

} // namespace pm
