#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <pm/ids.hpp>
#include <pm/spec.hpp>
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

  // When it is rotated; of several users the last one counts.
  void set_rules(const log_spec& rules);

  // Closes both files until the next output.
  void close() noexcept;

  const std::string& path() const noexcept { return path_; }

private:
  void enlist();
  size_t up_to_line_end(int pipe, size_t max);
  bool is_due();
  void rotate_if_due();
  timestamp birth() const;

  log_table& table_;
  std::string path_;
  log_sink sink_;
  log_spec rules_;
  bool is_due_ = false;           // rotated at the next end of a line
  std::optional<uint64_t> base_;  // number of its first byte
  std::optional<timestamp> born_; // when its first byte came
  bool is_listed_ = false;        // in the table's order of use, at `place_`
  std::list<log_file*>::iterator place_;
};

// All logs that a node writes, by path, of which at most so many are open.
class log_table {
public:
  // Runs the first function, which blocks, on another thread, then the second
  // one on this.
  using work_fn =
    std::function<void(std::function<void()>, std::function<void()>)>;

  // `on_trouble` is told in words, once for each time that a log begins to
  // fail; it may be empty. Without `work` nobody looks after rotated files.
  log_table(size_t open_max, std::function<void(const std::string&)> on_trouble,
            work_fn work = {})
    : open_max_(open_max),
      on_trouble_(std::move(on_trouble)),
      work_(std::move(work)) {}

  // The log of `path`, the same one for everybody. The table must outlive it.
  std::shared_ptr<log_file> at(const std::string& path,
                               const log_spec& rules = {});

  size_t open_count() const noexcept { return used_.size(); }

private:
  friend class log_file;

  // Compresses and removes rotated files, one log at a time.
  void look_after(const std::string& path, const log_spec& rules);
  void next_job();

  size_t open_max_ = 0;
  std::function<void(const std::string&)> on_trouble_;
  work_fn work_;
  std::map<std::string, log_spec> jobs_; // by path
  bool is_working_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
  std::unordered_map<std::string, std::weak_ptr<log_file>> files_;
  std::list<log_file*> used_; // open ones, the latest used first
};

} // namespace pm
