#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/types.h>

#include "runtime/os/unique_fd.hpp"

// The core of what writes logs, shared by node and keeper, so there is no
// heap, no exception and no libuv in it. log_format.md says what is in the
// files.

namespace pm {

// Whose bytes they are, as the index names them.
struct log_mark {
  std::array<uint8_t, 16> run{};
  uint8_t which = 0; // pm::stream

  bool operator==(const log_mark&) const = default;
};

// What one `take` did with a pipe.
struct log_taken {
  size_t moved = 0;
  size_t dropped = 0;
  bool at_end = false; // the pipe has no writers left
  int trouble = 0;     // errno, when the file has just begun to fail
};

// The open files of one log and its index, and where the next byte goes. It
// opens them by itself when there is output; `close` may come at any time in
// between. Belongs to one thread; one process writes a log at a time.
class log_sink {
public:
  using steady_time = std::chrono::steady_clock::time_point;

  // Moves up to `max` bytes from the nonblocking `pipe` to the end of the file
  // at `path` (always the same one), in the kernel where that works, in one
  // step; more may be left in the pipe. Never waits: what the file cannot take
  // is read into `scratch` and dropped.
  log_taken take(const char* path, int pipe, const log_mark& from, size_t max,
                 std::span<char> scratch) noexcept;

  bool is_open() const noexcept { return static_cast<bool>(file_); }

  // Where the next byte goes, as of the last `take`: the file's size.
  uint64_t size() const noexcept { return offset_; }

  // True if it has a size and an index, so that it can be rotated.
  bool is_regular() const noexcept { return file_ && is_regular_; }

  // True if another file, or none, is at `path` now.
  bool was_replaced(const char* path) const noexcept;

  // True if it failed a moment ago and is not tried again yet.
  bool is_paused(steady_time now) const noexcept {
    return in_trouble_ && now < retry_at_;
  }

  // Closes both files until the next output.
  void close() noexcept;

private:
  bool prepare(const char* path, steady_time now) noexcept;
  bool open(const char* path) noexcept;
  void open_index(const char* path, uint64_t size) noexcept;
  void reset_index() noexcept;
  void note(const log_mark& from, steady_time now) noexcept;
  void unnote() noexcept;
  ssize_t move(int pipe, size_t max, std::span<char> scratch) noexcept;
  ssize_t copy(int pipe, size_t max, std::span<char> scratch) noexcept;
  void give_up(int error, steady_time now, log_taken& result) noexcept;

  unique_fd file_;
  unique_fd index_;
  bool is_regular_ = false; // it has an offset and an index
  bool splices_ = false;
  bool in_trouble_ = false; // the last attempt failed
  size_t copied_short_ = 0; // bytes read for a target that took them not
  uint64_t offset_ = 0;     // where the next byte goes
  uint64_t index_offset_ = 0;
  uint64_t noted_offset_ = 0; // of the last record
  log_mark noted_;
  steady_time noted_at_{};   // when the last record was written; none: epoch
  steady_time checked_at_{}; // when the path was last compared
  steady_time retry_at_{};
};

} // namespace pm
