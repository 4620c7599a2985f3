#pragma once

#include "apps/pm_keeper/run_table.hpp"

namespace pm::keeper {

// Moves the output of all runs that have a log, while no node lives. It begins
// only after the node's proven death and ends before the next one gets the
// table: a log has one writer at a time.
class log_pump {
public:
  log_pump(run_table& table, log_shelf& logs) noexcept
    : table_(table), logs_(logs) {}

  bool is_running() const noexcept { return running_; }

  // Watches all pipes in the poll set `epoll`.
  void start(int epoll) noexcept;

  // Ends the watches and closes the logs.
  void stop(int epoll) noexcept;

  // Ends the watches of one run that is about to be forgotten.
  void release(int epoll, run_slot& slot) noexcept;

  // Output `which` (0 stdout, 1 stderr) of the slot `index` has something.
  void on_pipe(int epoll, size_t index, unsigned which) noexcept;

private:
  run_table& table_;
  log_shelf& logs_;
  bool running_ = false;
};

} // namespace pm::keeper
