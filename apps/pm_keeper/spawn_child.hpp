#pragma once

#include <cstdint>

#include "runtime/keeper/protocol.hpp"

// The child's half of a spawn: from clone3 to exec, in the keeper's memory.

namespace pm::keeper {

// The low descriptors, the same in keeper and child. The keeper fills 3 to 7
// with /dev/null between spawns, so that nothing else ever lives there: the
// child cuts its table off at `first_private_fd`, whatever the keeper holds.
enum slot_fd : int {
  slot_stdin = 3,
  slot_stdout = 4,
  slot_stderr = 5,
  slot_spare_stdout = 6,
  slot_spare_stderr = 7,
  slot_runs_file = 8,
  first_private_fd = 9,
};

// One spawn as the child needs it; it answers in the last members.
struct child_plan {
  const spawn_view* view = nullptr;
  const char* working_dir = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  const char* cgroup_file = nullptr; // to enter; null: none
  uint64_t nofile_soft = 0;          // what the keeper itself was started with
  uint64_t nofile_hard = 0;
  int64_t now_us = 0;
  bool is_run = true; // else a node: nothing is recorded
  uint64_t start_ticks = 0;
  spawn_stage stage = spawn_stage::none;
  int error_number = 0;
  uint32_t detail = 0;
};

// Becomes the program of the child_plan `plan`, or fills in its answer and
// exits with 127. Does not return. System calls only.
void child_entry(void* plan) noexcept;

} // namespace pm::keeper
