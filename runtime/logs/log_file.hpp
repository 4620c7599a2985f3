#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include <pm/ids.hpp>
#include <pm/status.hpp>

#include "runtime/logs/log_sink.hpp"

// The writing side of logs: log_format.md says what is in the files.

namespace pm {

class log_table;

// Whose bytes they are.
struct log_origin {
  pm::run_id run_id;
  stream which = stream::stdout_stream;

  bool operator==(const log_origin&) const = default;
};

// One log and its index, shared by all pipes whose bytes go there. It is
// opened when there is output, and may be closed in between. Belongs to one
// thread; one process writes a log at a time.
class log_file {
public:
  log_file(log_table& table, std::string path);
  ~log_file();

  log_file(const log_file&) = delete;
  log_file& operator=(const log_file&) = delete;

  // Moves up to `max` bytes from the nonblocking `pipe` to the end of the
  // file, in the kernel where that works, in one step; more may be left in the
  // pipe. Never waits: what the file cannot take is read and dropped.
  log_taken take(int pipe, const log_origin& from, size_t max);

  // Closes both files until the next output.
  void close() noexcept;

  const std::string& path() const noexcept { return path_; }

private:
  void enlist();

  log_table& table_;
  std::string path_;
  log_sink sink_;
  bool is_listed_ = false; // in the table's order of use, at `place_`
  std::list<log_file*>::iterator place_;
};

// All logs that a node writes, by path, of which at most so many are open.
class log_table {
public:
  // `on_trouble` is told in words, once for each time that a log begins to
  // fail; it may be empty.
  log_table(size_t open_max, std::function<void(const std::string&)> on_trouble)
    : open_max_(open_max), on_trouble_(std::move(on_trouble)) {}

  // The log of `path`, the same one for everybody. The table must outlive it.
  std::shared_ptr<log_file> at(const std::string& path);

  size_t open_count() const noexcept { return used_.size(); }

private:
  friend class log_file;

  size_t open_max_ = 0;
  std::function<void(const std::string&)> on_trouble_;
  std::unordered_map<std::string, std::weak_ptr<log_file>> files_;
  std::list<log_file*> used_; // open ones, the latest used first
};

} // namespace pm
