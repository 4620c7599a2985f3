#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// The words between node and keeper; protocol.md says what they mean. Both
// sides use this header, so there is no heap, no exception and no libuv in it.
// Byte order is the machine's: both ends are on one machine.

namespace pm::keeper {

// Protocol versions that this program speaks.
constexpr uint16_t version_min = 1;
constexpr uint16_t version_max = 3;

// What keepers of version 3 leave to the program that takes their place.
constexpr uint32_t handover_format = 1;

constexpr size_t frame_max = 128u << 10;    // bytes of one frame
constexpr size_t spawn_body_max = 8u << 20; // bytes of a body in a memfd
constexpr size_t frame_fds_max = 8;         // descriptors with one frame
constexpr size_t strings_max = 1u << 20;    // strings in one spawn
constexpr size_t groups_max = 65536;        // as the kernel's NGROUPS_MAX
constexpr size_t limits_max = 64;
constexpr size_t table_batch = 64;       // held frames before a pause
constexpr size_t run_list_max = 1024;    // run ids in one frame
constexpr size_t refusal_text_max = 256; // bytes
constexpr size_t log_path_max = 4095;    // bytes, as PATH_MAX with its NUL

constexpr char socket_name[] = "keeper.sock";
constexpr char lock_name[] = "keeper.lock";
constexpr char pid_name[] = "keeper.pid";

using run_key = std::array<uint8_t, 16>;

enum class frame_type : uint16_t {
  // node to keeper
  hello = 1,
  spawn = 2,
  acknowledge = 3,
  goodbye = 4,
  table_more = 5,
  close_stdin = 6,
  set_log = 7, // version 2, as what follows
  respawn = 8,
  ready = 9,
  hold = 10,
  replace = 11, // version 3
  // keeper to node
  welcome = 32,
  held = 33,
  table_pause = 34,
  table_end = 35,
  spawned = 36,
  spawn_failed = 37,
  exited = 38,
  refused = 39,
  holding = 40, // version 2
};

// Every frame begins with this; `size` is that of the whole frame.
struct frame_header {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t size = 0;
};

// Flag of a spawn or respawn frame: its body is in a sealed memfd, the first
// descriptor.
constexpr uint16_t body_in_memfd = 1;

struct hello_body {
  uint16_t version_min = 0;
  uint16_t version_max = 0;
  uint32_t reserved = 0;
};

struct welcome_body {
  uint16_t version = 0;
  uint16_t reserved = 0;
  int32_t keeper_pid = 0;
  uint32_t live_count = 0;  // runs alive
  uint32_t ended_count = 0; // runs ended or failed, and not acknowledged
};

// Bits of spawn_body::flags. What is not set stays as the keeper has it.
enum spawn_flags : uint32_t {
  spawn_protect = 1 << 0,    // the child keeps spare read ends of its output
  spawn_stdin_pipe = 1 << 1, // else stdin is /dev/null
  spawn_uid = 1 << 2,
  spawn_gid = 1 << 3,
  spawn_groups = 1 << 4,
  spawn_nice = 1 << 5,
  spawn_umask = 1 << 6,
  spawn_no_new_privs = 1 << 7,
  spawn_log = 1 << 8,    // version 2: a log path follows the environment
  spawn_cgroup = 1 << 9, // version 3: a path follows it, before the log's
};

// Followed by `limit_count` wire_limits, `group_count` uint32_t, and
// `strings_size` bytes: working_dir, then argc arguments, then envc "NAME=..."
// strings, then the path of the cgroup.procs that the child enters if
// spawn_cgroup, then the log's path if spawn_log, each ended by NUL. An empty
// working_dir is the keeper's ("/").
//
// Descriptors: [memfd if body_in_memfd] stdout_w, stderr_w, stdout_r,
// stderr_r [stdin_r, stdin_w if spawn_stdin_pipe].
struct spawn_body {
  run_key run_id{};
  uint32_t flags = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t umask = 0;
  int32_t nice = 0;
  uint32_t limit_count = 0;
  uint32_t group_count = 0;
  uint32_t argc = 0;
  uint32_t envc = 0;
  uint32_t strings_size = 0;
};

struct wire_limit {
  uint32_t resource = 0;
  uint32_t reserved = 0;
  uint64_t soft = 0; // UINT64_MAX: unlimited
  uint64_t hard = 0;
};

// What a run has become.
enum class outcome : uint32_t {
  live = 0,
  exited = 1,   // `value` is its code
  signaled = 2, // `value` is its signal
  failed = 3,   // it never began: `stage`, `value` is errno
  lost = 4,     // it ended, and nobody can tell how (version 2)
};

// Which step of a spawn failed.
enum class spawn_stage : uint32_t {
  none = 0,
  keeper = 1,      // the keeper's own preparation (table, descriptors)
  clone = 2,       // clone3
  descriptors = 3, // unshare, dup2, spare ends
  session = 4,     // setsid
  limit = 5,       // setrlimit; `detail` is the resource's number
  nice = 6,
  groups = 7,
  gid = 8,
  uid = 9,
  privileges = 10, // no_new_privs
  working_dir = 11,
  signals = 12,
  exec = 13,
  cgroup = 14, // entering it
};

// The word for a stage: "working_dir".
std::string_view to_string(spawn_stage stage) noexcept;

// Bits of report_body::flags.
enum report_flags : uint32_t {
  report_stdin_pipe = 1 << 0, // the keeper holds the run's stdin write end
  report_core_dumped = 1 << 1,
  report_protected = 1 << 2,
  report_no_stdout = 1 << 3, // version 2: nobody holds this output
  report_no_stderr = 1 << 4,
};

// The body of held, spawned, spawn_failed and exited: all that is known about
// one run, in the same form.
//
// Descriptors: spawned: pidfd (none if the run has ended meanwhile; `exited`
// follows then). held of a live run: pidfd, stdout_r, stderr_r [stdin_w if
// report_stdin_pipe]. held of an ended run: stdout_r, stderr_r. Others: none.
struct report_body {
  run_key run_id{};
  int32_t pid = 0;
  pm::keeper::outcome outcome = pm::keeper::outcome::live;
  uint64_t start_ticks = 0; // /proc/PID/stat field 22
  int64_t spawned_us = 0;   // microseconds since 1970 UTC
  int64_t ended_us = 0;     // 0 while live
  int32_t value = 0;
  spawn_stage stage = spawn_stage::none;
  uint32_t detail = 0;
  uint32_t flags = 0;
  // Version 2: what the keeper has done with the output while no node lived.
  uint64_t moved_bytes = 0;
  uint64_t dropped_bytes = 0;
};

// The body's size in version 1, which has nothing of version 2.
constexpr size_t report_size_v1 = 64;

// A hold frame: a report of the run as it is, then the log's path and its NUL.
// Descriptors: pidfd, stdout_r unless report_no_stdout, stderr_r unless
// report_no_stderr [stdin_w if report_stdin_pipe].
struct hold_view {
  report_body body;
  std::string_view log_path; // without its NUL; empty: none
};

// Why a keeper refuses; the numbers are those of pm::ec.
enum class refusal : uint32_t {
  protocol_violation = 15,
  not_permitted = 16,
  not_supported = 21, // no protocol version in common
};

// Followed by the text, without NUL.
struct refused_body {
  uint32_t code = 0; // refusal
  uint32_t text_size = 0;
};

// A spawn or respawn frame's body, checked: all counts match, all strings are
// ended. Views into the decoded bytes.
struct spawn_view {
  spawn_body body;
  std::span<const std::byte> limits; // body.limit_count wire_limits
  std::span<const std::byte> groups; // body.group_count uint32_t
  const char* strings = nullptr;     // body.strings_size bytes
};

// The i-th limit or group of `view`; i must be below its count.
wire_limit limit_at(const spawn_view& view, size_t i) noexcept;
uint32_t group_at(const spawn_view& view, size_t i) noexcept;

// The log's path in `view`; empty without spawn_log.
std::string_view log_path_of(const spawn_view& view) noexcept;

// A set_log frame, checked.
struct log_view {
  run_key run_id{};
  std::string_view path; // without its NUL; empty: none
};

// All decoders are total: any bytes give a value or none, never undefined
// behaviour.

// Reads a header and checks that `frame` is as long as it says.
std::optional<frame_header>
decode_header(std::span<const std::byte> frame) noexcept;

// Reads the body behind the header of a frame of a fixed size.
std::optional<hello_body>
decode_hello(std::span<const std::byte> frame) noexcept;
std::optional<welcome_body>
decode_welcome(std::span<const std::byte> frame) noexcept;
std::optional<report_body>
decode_report(std::span<const std::byte> frame) noexcept;

// Reads a spawn body: what follows the header, or the memfd's content.
std::optional<spawn_view>
decode_spawn_body(std::span<const std::byte> body) noexcept;

// Reads the number of run ids in an acknowledge or close_stdin frame; the ids
// follow the header.
std::optional<size_t>
decode_run_list(std::span<const std::byte> frame) noexcept;
run_key listed_run(std::span<const std::byte> frame, size_t i) noexcept;

std::optional<log_view>
decode_set_log(std::span<const std::byte> frame) noexcept;

std::optional<hold_view> decode_hold(std::span<const std::byte> frame) noexcept;

// The path in a replace frame, without its NUL.
std::optional<std::string_view>
decode_replace(std::span<const std::byte> frame) noexcept;

// Reads code and text of a refused frame.
struct refusal_view {
  uint32_t code = 0;
  std::string_view text;
};
std::optional<refusal_view>
decode_refused(std::span<const std::byte> frame) noexcept;

// Encoders for what has a fixed or small size: write into `out`, and return
// the frame's size; 0 if `out` is too small.
size_t encode_bare(std::span<std::byte> out, frame_type type) noexcept;
size_t encode_hello(std::span<std::byte> out, const hello_body& body) noexcept;
size_t encode_welcome(std::span<std::byte> out,
                      const welcome_body& body) noexcept;
size_t encode_report(std::span<std::byte> out, frame_type type,
                     const report_body& body,
                     int version = version_max) noexcept;
size_t encode_holding(std::span<std::byte> out, const run_key& run) noexcept;
size_t encode_refused(std::span<std::byte> out, refusal code,
                      std::string_view text) noexcept;

} // namespace pm::keeper
