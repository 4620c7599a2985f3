#pragma once

#include <cstddef>

namespace pm::keeper {

// What the two short-lived children need in order to become a keeper; they
// share the caller's memory, and answer in the last members.
struct launch_plan {
  const char* binary = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  int null_fd = -1;
  int ready_fd = -1;
  std::byte* inner_stack = nullptr;
  size_t stack_size = 0;
  int pidfd = -1;       // of the keeper, in the caller's table
  int error_number = 0; // of clone or exec
};

// The descriptor that a keeper finds its readiness pipe on.
constexpr int launch_ready_fd = 3;

// Entry of the first child: clones the second one, which executes the keeper,
// and exits, so that the keeper is nobody's child. Does not return.
void launch_entry(void* plan) noexcept;

} // namespace pm::keeper
