#pragma once

#include <array>
#include <cstdint>

#include "apps/pm_keeper/run_table.hpp"
#include "runtime/keeper/frames.hpp"

namespace pm::keeper {

// Makes `slot` a spawn that failed at `stage` with errno `error`; it holds no
// descriptor any longer.
void fail_slot(run_slot& slot, spawn_stage stage, int error,
               uint32_t detail = 0) noexcept;

// Makes children. There is one, since it owns the low descriptors.
class spawner {
public:
  // Raises the descriptor limit, remembering the old one for the children,
  // and makes the child's stack; the low descriptors must be /dev/null.
  // Returns 0 or errno. `nofile_soft` is the limit to remember instead; 0: the
  // old one.
  int open(uint64_t nofile_soft) noexcept;

  uint64_t nofile_soft() const noexcept { return nofile_soft_; }

  // Spawns what `view` says into `slot`, taking the pipes out of `pipes`: the
  // child has its ends when this returns, `slot` the others. Afterwards `slot`
  // is live, or failed with stage and errno. Stands still until exec.
  void spawn(const spawn_view& view, frame_fds& pipes, size_t first_pipe,
             int64_t now_us, run_slot& slot) noexcept;

  // Starts a node, which is no run: only pid and pidfd of `slot` are used, or
  // its failure. `stdio` is kept by the caller.
  void spawn_node(const spawn_view& view, const std::array<unique_fd, 3>& stdio,
                  run_slot& slot) noexcept;

private:
  int place_pipes(const spawn_view& view, const frame_fds& pipes,
                  size_t first_pipe) noexcept;
  void drop_pipes() noexcept;
  int make_pointers(const spawn_view& view) noexcept;
  void free_pointers() noexcept;
  void clone(const spawn_view& view, int64_t now_us, bool is_run,
             run_slot& slot) noexcept;

  int null_fd_ = -1;
  std::byte* stack_ = nullptr;
  uint64_t nofile_soft_ = 0;
  uint64_t nofile_hard_ = 0;
  char** pointers_ = nullptr; // argv, null, environment, null
  const char* cgroup_file_ = nullptr;
  size_t mapped_ = 0; // bytes of pointers_ that are a mapping
};

} // namespace pm::keeper
