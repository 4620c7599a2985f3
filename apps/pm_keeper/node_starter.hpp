#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "apps/pm_keeper/spawner.hpp"

namespace pm::keeper {

struct handover_head;

// Starts the node again when it has died without a goodbye: at once if it had
// been ready, else after a pause that doubles with each failure.
class node_starter {
public:
  static constexpr int64_t pause_min_ms = 100;
  static constexpr int64_t pause_max_ms = 30'000;

  explicit node_starter(spawner& children) noexcept : children_(children) {}

  // Takes the command (a spawn body, checked already) and the node's own
  // stdin, stdout and stderr. Without memory the node is not started again.
  void learn(std::span<const std::byte> body,
             std::array<unique_fd, 3> stdio) noexcept;

  // For a keeper that goes on as another program: the command's bytes, room for
  // them, and all else.
  const std::byte* command() const noexcept { return body_; }
  std::byte* command_space(size_t size) noexcept;
  void leave(handover_head& to) const noexcept;
  void take(const handover_head& from, int epoll, uint64_t tag) noexcept;

  // The node's end is wanted, or another one has come that says nothing.
  void forget() noexcept;

  void node_is_ready() noexcept { was_ready_ = true; }

  // The process `pid` has said hello. Another one than was started here has
  // a command of its own.
  void node_is_here(int pid) noexcept;

  void node_has_died() noexcept;

  // Starts the node if it is time; the end of its process is told as `tag`
  // in the poll set until it says hello.
  void start_if_due(int epoll, uint64_t tag) noexcept;

  // The process that was started has ended, and never came.
  void on_start_failed(int epoll) noexcept;

  // True while a node is to come, also one whose socket has ended and whose
  // death is still to be proven: the keeper stays for it.
  bool expects_node() const noexcept { return body_ != nullptr || started_; }

  // Milliseconds until the next start; -1: none.
  int timeout_ms() const noexcept;

private:
  void arm() noexcept;

  spawner& children_;
  std::byte* body_ = nullptr; // from malloc
  size_t size_ = 0;
  std::array<unique_fd, 3> stdio_;
  unique_fd started_; // pidfd of a node that has not said hello yet
  int epoll_ = -1;
  int started_pid_ = 0;
  int64_t due_ms_ = -1;
  int64_t pause_ms_ = pause_min_ms;
  bool was_ready_ = false;
};

} // namespace pm::keeper
