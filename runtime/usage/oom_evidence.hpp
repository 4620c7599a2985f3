#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pm {

// What speaks for a kill by the OOM killer. Pure.
struct oom_evidence {
  std::string log_line;          // of the kernel, with the pid; may be empty
  uint64_t group_kills = 0;      // in the node's cgroup, since the run began
  uint64_t machine_kills = 0;    // on the machine, since then
  std::optional<double> stalled; // percent of the last 10 s, /proc/pressure
};

// The evidence as a sentence; empty where there is none.
std::string describe_oom(const oom_evidence& x);

// The number behind `key` and a space, at the start of a line; none if there
// is no such line.
std::optional<uint64_t> counter_in(std::string_view text, std::string_view key);

// The avg10 of the line "some" of a file in /proc/pressure.
std::optional<double> stalled_in(std::string_view text);

// The message of a record of /dev/kmsg if it says that the OOM killer has
// ended `pid`; else empty.
std::string_view oom_message(std::string_view record, int pid);

// The files below `mount` (/sys/fs/cgroup) that may count the OOM kills of the
// cgroup that /proc/self/cgroup names: of version 2, its memory.events; of
// version 1, its memory.oom_control.
std::vector<std::string> oom_files_of(std::string_view cgroups,
                                      std::string_view mount);

} // namespace pm
