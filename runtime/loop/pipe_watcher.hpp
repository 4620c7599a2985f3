#pragma once

#include <memory>
#include <string>

#include <pm/event_loop.hpp>
#include <pm/process_host.hpp>

#include "runtime/logs/log_file.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm {

// What a pipe watcher tells; called from the loop.
class pipe_events {
public:
  virtual ~pipe_events() = default;

  // A chunk of at most `pipe_chunk_max` bytes (output_mode::stream).
  virtual void on_chunk(stream which, std::string chunk) = 0;

  // So many bytes were moved to the log, or could not be (output_mode::log).
  virtual void on_logged(size_t moved, size_t dropped) = 0;

  // The pipe has been closed. The watcher may be destroyed here.
  virtual void on_pipe_closed(stream which) = 0;
};

// Bytes of one chunk, at most.
constexpr size_t pipe_chunk_max = 64u << 10;

// Bytes that one pipe may move in one turn of the loop: the rest waits, so
// that a flooder does not hold up the others.
constexpr size_t pipe_turn_max = 1u << 20;

// The size that a busy pipe is enlarged to, where that is permitted.
constexpr int pipe_size_wanted = 1 << 20;

// Owns the read end of one output pipe and takes its bytes where the mode
// says: to a log, to memory, or to `pipe_events` under credit.
class pipe_watcher {
public:
  struct plan {
    log_origin from;
    output_mode mode = output_mode::log;
    size_t capture_max = 0;
    std::shared_ptr<log_file> log; // with output_mode::log
  };

  // `to` must outlive it.
  pipe_watcher(unique_fd pipe, plan how, pipe_events& to);

  // Prepares to watch. Errors: system_failed.
  expected<void> prepare(event_loop& loop);

  // Begins to take bytes.
  void start();

  // The process has ended: takes what is in the pipe at this moment, whatever
  // credit there is. After that a log goes on until no writer is left;
  // otherwise the pipe is closed.
  void drain();

  // Gives back credit (output_mode::stream).
  void consumed(size_t bytes);

  bool is_open() const noexcept { return static_cast<bool>(pipe_); }

  int fd() const noexcept { return pipe_.get(); }

  // What was captured; the caller takes it.
  std::string& text() noexcept { return text_; }

  // True if there was more than `capture_max`.
  bool was_cut() const noexcept { return was_cut_; }

  // Takes what is in the pipe at this moment, and gives what was captured
  // since the last time (output_mode::capture); `cut` says whether there was
  // more.
  std::string collect(bool& cut);

private:
  void on_readable();
  size_t take(size_t max);
  size_t take_log(size_t max);
  size_t take_chunk(size_t max);
  void close();

  unique_fd pipe_;
  fd_watch watch_; // ends before the descriptor does
  plan plan_;
  pipe_events& to_;
  std::string text_;
  size_t unconsumed_ = 0;
  bool was_cut_ = false;
  bool was_enlarged_ = false;
  bool at_end_ = false;
};

} // namespace pm
