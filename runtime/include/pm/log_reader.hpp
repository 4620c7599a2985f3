#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pm/ids.hpp>
#include <pm/status.hpp>
#include <pm/units.hpp>

// Reads the logs that the runtime wrote: the bytes of `<file>`, and what its
// index `<file>.idx` knows about them. No node is needed for that.

namespace pm {

// One line of a log. Where the index is missing or short, `time`, `which` and
// `run_id` are unknown.
struct log_line {
  std::optional<timestamp> time; // arrival of the line's first byte
  int64_t time_us = 0; // the same in microseconds since 1970 UTC; 0: unknown
  std::optional<pm::stream> which;
  pm::run_id run_id; // nil: unknown
  // Number of the line's first byte since the log began: rotation does not
  // change it, and no later line has it.
  uint64_t offset = 0;
  std::string text;     // without its newline
  bool complete = true; // false: no newline has followed yet
};

// Longer lines are given in pieces of this size.
constexpr size_t log_line_max = 1u << 20;

// Where a cursor begins and what it passes over.
struct log_query {
  std::optional<size_t> lines;    // begin with the last N lines; absent: all
  std::optional<timestamp> since; // pass over what is known to be older
  std::optional<uint64_t> since_offset; // begin with this byte's number
  std::optional<pm::stream> only; // pass over what is known to be the other
};

// Reads one log from where the query says on, first its rotated files, and what
// is appended after that, also beyond the next rotation. A file that was
// deleted, replaced or truncated is noticed and read from its beginning. Lines
// of stdout and stderr that were written in parts are put together again for
// each stream. Belongs to one thread.
class log_cursor {
public:
  // A file that is not there (yet) has no lines. Errors: not_permitted,
  // system_failed, each naming the file.
  static expected<log_cursor> open(std::string path, const log_query& query);

  log_cursor(log_cursor&&) noexcept;
  log_cursor& operator=(log_cursor&&) noexcept;
  ~log_cursor();

  // The next complete lines in the order of their ends in the file; some
  // hundred KiB at most in one call. None: there is nothing new now. Errors:
  // system_failed.
  expected<std::vector<log_line>> read_new();

  // What is there of lines without a newline, oldest first, `complete` being
  // false. They are not given again; what follows is a line of its own. For
  // the end of a log that is not followed, or a prompt that stays.
  std::vector<log_line> flush();

  // True if the file was there when it was last looked at.
  bool exists() const noexcept;

  const std::string& path() const noexcept;

  struct impl;

private:
  explicit log_cursor(std::unique_ptr<impl> owned) noexcept;

  std::unique_ptr<impl> impl_;
};

// Waits until one of some log files may have changed (inotify; on kernels that
// do not tell of spliced bytes also a look at the sizes, four times a second,
// while `wait` runs). Belongs to one thread.
class log_waiter {
public:
  // Errors: system_failed (no inotify instances left).
  static expected<log_waiter> make();

  log_waiter(log_waiter&&) noexcept;
  log_waiter& operator=(log_waiter&&) noexcept;
  ~log_waiter();

  // Watches `path` too, whether it is there or not; its directory must be.
  // Errors: system_failed.
  expected<void> add(const std::string& path);

  // Returns true as soon as a file has changed since the last call, false
  // after `timeout` (none: never) or when a signal came in between. Look at
  // all cursors after true.
  bool wait(std::optional<milliseconds> timeout);

  // Becomes readable when a file has changed; `wait(0ms)` makes it quiet
  // again. For poll(2) together with others.
  int fd() const noexcept;

  struct impl;

private:
  explicit log_waiter(std::unique_ptr<impl> owned) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace pm
