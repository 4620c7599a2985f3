#pragma once

#include <functional>
#include <string>

#include <pm/event_loop.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

// Owns the write end of a child's stdin and writes to it without waiting and
// without SIGPIPE, whatever the host does about that signal.
class stdin_writer {
public:
  using done_fn = std::function<void(expected<void>)>;

  stdin_writer(event_loop& loop, unique_fd pipe);
  ~stdin_writer();

  // Writes all of `bytes`, then calls `done`, from the loop, not within this
  // call. Errors: busy (a write is under way), not_running (closed, or the
  // child reads no more), system_failed.
  void write(std::string bytes, done_fn done);

  // Closes after what is under way; `closed` is called when that is done.
  void close(std::function<void()> closed);

  bool is_open() const noexcept { return static_cast<bool>(pipe_); }

  int fd() const noexcept { return pipe_.get(); }

private:
  void on_writable();
  void finish(expected<void> outcome);
  void shut();

  event_loop& loop_;
  unique_fd pipe_;
  fd_watch watch_; // ends before the descriptor does
  std::string bytes_;
  size_t offset_ = 0;
  done_fn done_;
  std::function<void()> closed_;
  bool is_closing_ = false;
};

} // namespace pm
