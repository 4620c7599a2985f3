#pragma once

#include <string>

#include <pm/error.hpp>

namespace pm {

// Where a node keeps its state: `option` (--state-dir) if not empty, else
// $PM_STATE_DIR, else $XDG_STATE_HOME/pm, else ~/.local/state/pm. Absolute.
std::string resolve_state_dir(const std::string& option);

// A state directory, and the lock that makes this process its one node.
class state_dir {
public:
  // Makes the directory (0700, parents too) if it is missing. Errors:
  // not_permitted (others own it or may write to it), storage_failed.
  static expected<state_dir> open(const std::string& path);

  state_dir(state_dir&& other) noexcept;
  state_dir& operator=(state_dir&&) = delete;
  ~state_dir();

  const std::string& path() const noexcept { return path_; }

  // Takes `node.lock` for as long as this object lives, and writes `node.pid`.
  // Errors: locked, naming the pid that holds it; storage_failed.
  expected<void> lock_node();

private:
  explicit state_dir(std::string path) : path_(std::move(path)) {}

  std::string path_;
  int lock_ = -1;
};

} // namespace pm
