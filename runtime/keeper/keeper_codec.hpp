#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <pm/error.hpp>
#include <pm/ids.hpp>
#include <pm/record.hpp>

#include "runtime/keeper/protocol.hpp"
#include "runtime/os/names.hpp"
#include "runtime/os/unique_fd.hpp"

// The node's side of the protocol, in the node's words.

namespace pm::keeper {

// One spawn with all names resolved.
struct spawn_order {
  pm::run_id run_id;
  std::vector<std::string> argv;        // not empty, no NUL inside
  std::vector<std::string> environment; // "NAME=value", complete
  std::string working_dir;              // empty: "/"
  std::string log_file;    // absolute; empty: the keeper moves no output
  std::string cgroup_file; // the cgroup.procs to enter; empty: none
  credentials become;
  std::optional<int> umask;
  std::optional<int> nice;
  std::vector<numeric_limit> limits;
  bool protect = true;
  bool stdin_pipe = false;
  bool no_new_privs = false;
};

// A frame to be sent. `body`, if there, is sent as the first descriptor.
struct outgoing_frame {
  std::vector<std::byte> bytes;
  unique_fd body;
};

// Encodes a spawn; what does not fit into a frame goes into a sealed memfd.
// The descriptors to send with it, after `body`: stdout_w, stderr_w,
// stdout_r, stderr_r [stdin_r, stdin_w]. The sender may close its write ends
// (and stdin_r) once the frame has been sent. Errors: invalid_argument (no
// argv, a NUL inside, over spawn_body_max), system_failed.
expected<outgoing_frame> encode_spawn(const spawn_order& order);

// Encodes the command that the keeper starts this node with again. The
// descriptors to send with it, after `body`: stdin, stdout, stderr. Errors: as
// encode_spawn.
expected<outgoing_frame> encode_respawn(spawn_order order);

std::vector<std::byte> encode_hello();
std::vector<std::byte> encode_goodbye();
std::vector<std::byte> encode_table_more();
std::vector<std::byte> encode_ready();

// Encodes one frame; `runs` has at most run_list_max elements. Failed spawns
// are acknowledged like exits: the keeper remembers both until then.
std::vector<std::byte> encode_acknowledge(std::span<const run_id> runs);

// Has the keeper close its copy of these runs' stdin write ends. Must be sent
// whenever the node closes its own: the child sees the end of its input when
// both are closed. At most run_list_max elements.
std::vector<std::byte> encode_close_stdin(std::span<const run_id> runs);

// Names the log that the keeper moves a held run's output to while no node
// lives; an empty path: to none. A keeper of version 1 does not know it.
// Asks the keeper to go on as the program `path` (absolute), once the
// connection has ended.
std::vector<std::byte> encode_replace(const std::string& path);

std::vector<std::byte> encode_set_log(const run_id& run,
                                      const std::string& path);

// A live run that the keeper does not know yet, or not any more.
struct hold_order {
  pm::run_id run_id;
  int pid = 0;
  uint64_t start_ticks = 0;
  timestamp spawned_at;
  bool has_stdout = false;
  bool has_stderr = false;
  bool has_stdin = false;
  bool is_protected = false;
  std::string log_file; // empty: the keeper moves no output
};

// Gives a run to the keeper. The descriptors to send with it: pidfd, then
// stdout_r, stderr_r and stdin_w as far as they are there.
std::vector<std::byte> encode_hold(const hold_order& order);

// What the keeper tells about one run; `occasion` is held, spawned,
// spawn_failed or exited.
struct run_report {
  frame_type occasion = frame_type::held;
  pm::run_id run_id;
  int pid = 0;
  uint64_t start_ticks = 0;
  timestamp spawned_at;
  std::chrono::microseconds duration{0}; // from spawn to end; 0 while live
  pm::keeper::outcome outcome = pm::keeper::outcome::live;
  std::optional<exit_status> exit; // with outcome exited or signaled
  timestamp ended_at;              // with any outcome but live
  spawn_stage stage = spawn_stage::none;
  int error_number = 0; // errno, with outcome failed
  uint32_t detail = 0;
  bool stdin_pipe = false;
  bool is_protected = false;
  uint64_t moved_bytes = 0;   // by the keeper, while no node lived
  uint64_t dropped_bytes = 0; // that it could not move
  bool has_stdout = true;     // its read end comes with `held`
  bool has_stderr = true;
};

// The node's words for what a report says.
run_report to_report(frame_type occasion, const report_body& body);

struct welcome {
  int version = 0;
  int keeper_pid = 0;
  size_t live_count = 0;
  size_t ended_count = 0;
};

// The keeper holds what `hold` has given it.
struct holding {
  pm::run_id run_id;
};

struct table_pause {}; // answer with encode_table_more()
struct table_end {};

// `error` is a refusal: the keeper closes the connection after it.
using keeper_message =
  std::variant<welcome, run_report, table_pause, table_end, holding, error>;

// Decodes any frame of the keeper. Errors: protocol_violation.
expected<keeper_message> decode_message(std::span<const std::byte> frame);

} // namespace pm::keeper
