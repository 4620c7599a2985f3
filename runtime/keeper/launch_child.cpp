#include "runtime/keeper/launch_child.hpp"

#include <fcntl.h>

#include "runtime/os/clone_child.hpp"

// Compiled without sanitizers: this code runs on a foreign stack in a process
// that shares the host's memory.

namespace pm::keeper {

namespace {

void become_keeper(void* arg) noexcept {
  auto& plan = *static_cast<launch_plan*>(arg);
  raw_call(SYS_setsid);
  // The readiness pipe first: the others overwrite 0, 1 and 2.
  auto ready = raw_call(SYS_fcntl, plan.ready_fd, F_DUPFD, 10);
  auto null = raw_call(SYS_fcntl, plan.null_fd, F_DUPFD, 10);
  for (int fd = 0; fd < 3; ++fd)
    raw_call(SYS_dup3, null, fd, 0);
  raw_call(SYS_dup3, ready, launch_ready_fd, 0);
  raw_call(SYS_close_range, launch_ready_fd + 1, ~0u, 0);
  auto error = raw_call(SYS_execve, plan.binary, plan.argv, plan.environment);
  plan.error_number = static_cast<int>(-error);
  for (;;)
    raw_call(SYS_exit_group, 127);
}

} // namespace

void launch_entry(void* arg) noexcept {
  auto& plan = *static_cast<launch_plan*>(arg);
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&plan.pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(plan.inner_stack);
  args.stack_size = plan.stack_size;
  auto pid = clone_child(args, become_keeper, arg);
  if (pid < 0)
    plan.error_number = static_cast<int>(-pid);
  for (;;)
    raw_call(SYS_exit_group, 0);
}

} // namespace pm::keeper
