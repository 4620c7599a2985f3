#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pm/error.hpp>
#include <pm/status.hpp>

#include "runtime/os/unique_fd.hpp"

// What /proc and pidfds tell about a process. Everything here is a few system
// calls that do not wait; callable from any thread.

namespace pm {

// Part of /proc/PID/stat.
struct process_stat {
  int pid = 0;
  char state = '?'; // R, S, D, T, Z, X ...
  int parent_pid = 0;
  int group_id = 0;
  int session_id = 0;
  uint64_t start_ticks = 0; // since boot, in clock ticks
  uint64_t rss_bytes = 0;
  std::chrono::microseconds cpu{0}; // user and system
  // Of children that it has waited for, and of theirs.
  std::chrono::microseconds children_cpu{0};
  int threads = 0;
  std::string name; // of the program, at most 15 bytes of any kind
};

// Reads /proc/sys/kernel/random/boot_id, without its newline.
expected<std::string> read_boot_id();

// Reads /proc/PID/stat. Errors: not_running (no such process), system_failed.
expected<process_stat> read_process_stat(int pid);

// Reads the text of such a file; none if it is not whole.
std::optional<process_stat> parse_process_stat(int pid, std::string_view text);

// Reads the start time of `pid`: with pid and boot id it names one process
// for ever. Errors: as read_process_stat.
expected<uint64_t> read_start_ticks(int pid);

// Opens a pidfd (close-on-exec). Errors: not_running, system_failed.
expected<unique_fd> open_pidfd(int pid);

// Opens a pidfd of `pid` and proves that it is the process that started at
// `start_ticks`. Errors: not_running (gone, or another one), system_failed.
expected<unique_fd> open_pidfd(int pid, uint64_t start_ticks);

// Sends `signal` (0: only asks) to the process of `pidfd`. Errors:
// not_running (it has been reaped), not_permitted, system_failed.
expected<void> send_signal(int pidfd, int signal);

// Sends `signal` (0: only asks) to the process group that the process of
// `pidfd` leads, also after the leader's end (kernel 6.9 or later). On an
// older kernel the group is reached only while its leader has not been reaped;
// `pid` is the leader's. Errors: not_running (nobody is left, or nobody can be
// proven to be ours), not_permitted, system_failed.
expected<void> send_group_signal(int pidfd, int pid, int signal);

// True once the process of `pidfd` has ended (reaped or not).
bool has_ended(int pidfd);

// How the process of `pidfd`, which has ended, did so. Of a reaped one the
// kernel says it (PIDFD_GET_INFO, 6.15 or later); before, field 52 of
// /proc/PID/stat (proc(5)), since its new parent may take its time to reap it.
// To those who may not know that is 0, hence a 0 is believed only of the
// reaped. None while it is unknown.
std::optional<exit_status> exit_of_ended(int pid, int pidfd);

} // namespace pm
