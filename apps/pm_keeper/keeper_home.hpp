#pragma once

#include "runtime/os/unique_fd.hpp"

namespace pm::keeper {

// The keeper's part of the state directory: lock, pid file, socket.
class keeper_home {
public:
  // Opens `path`, which must be ours alone to write, and takes the lock.
  // Returns null, or a sentence for people.
  const char* open(const char* path) noexcept;

  // The same for a keeper that goes on as this program: lock and listener are
  // there.
  const char* take(const char* path, int lock, int listener) noexcept;

  // Writes keeper.pid and listens on keeper.sock. Returns as `open`.
  const char* announce() noexcept;

  // Binds the socket (again).
  const char* listen() noexcept;

  // Takes socket and pid file away; whoever looks for a keeper finds none.
  void leave() noexcept;

  int dir() const noexcept { return dir_.get(); }

  int listener() const noexcept { return listener_.get(); }

  int lock() const noexcept { return lock_.get(); }

  // As it was opened.
  const char* path() const noexcept { return path_; }

private:
  const char* write_pid() noexcept;

  const char* path_ = nullptr;
  unique_fd dir_;
  unique_fd lock_;
  unique_fd listener_;
};

// The sentence "<what>: <errno's words>", in a static buffer.
const char* explain(const char* what, int error) noexcept;

} // namespace pm::keeper
