#include "apps/pm_keeper/spawner.hpp"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "apps/pm_keeper/spawn_child.hpp"
#include "runtime/os/clone_child.hpp"

namespace pm::keeper {

namespace {

constexpr size_t stack_size = 64u << 10;

// Enough for nearly every spawn; more is mapped for the one that needs it.
std::array<char*, 2048> few_pointers;

} // namespace

void fail_slot(run_slot& slot, spawn_stage stage, int error,
               uint32_t detail) noexcept {
  slot.outcome = outcome::failed;
  slot.stage = stage;
  slot.value = error;
  slot.detail = detail;
  slot.pid = 0;
  slot.ended_us = slot.spawned_us;
  slot.pidfd.reset();
  slot.stdout_r.reset();
  slot.stderr_r.reset();
  slot.stdin_w.reset();
  slot.flags = 0;
}

int spawner::open(uint64_t nofile_soft) noexcept {
  // Above the low numbers, which it fills when they hold no pipe.
  null_fd_ = ::fcntl(slot_stdin, F_DUPFD_CLOEXEC, first_private_fd);
  if (null_fd_ < 0)
    return errno;
  auto memory = ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED)
    return errno;
  stack_ = static_cast<std::byte*>(memory);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return errno;
  nofile_soft_ = nofile_soft != 0 ? nofile_soft : limit.rlim_cur;
  nofile_hard_ = limit.rlim_max;
  limit.rlim_cur = limit.rlim_max;
  // With less the keeper holds fewer runs, which is told when it happens.
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return 0;
}

int spawner::place_pipes(const spawn_view& view, const frame_fds& pipes,
                         size_t first_pipe) noexcept {
  auto place = [&](size_t i, int slot) {
    auto from = pipes.fds[first_pipe + i].get();
    return ::dup3(from, slot, O_CLOEXEC) == slot ? 0 : errno;
  };
  constexpr std::array outputs{slot_stdout, slot_stderr, slot_spare_stdout,
                               slot_spare_stderr};
  for (size_t i = 0; i < outputs.size(); ++i)
    if (auto error = place(i, outputs[i]); error != 0)
      return error;
  if ((view.body.flags & spawn_stdin_pipe) != 0)
    return place(outputs.size(), slot_stdin);
  return 0;
}

void spawner::drop_pipes() noexcept {
  for (int fd = slot_stdin; fd <= slot_spare_stderr; ++fd)
    ::dup3(null_fd_, fd, O_CLOEXEC);
}

// Points into the strings of `view`, which are ended by NUL where they are.
int spawner::make_pointers(const spawn_view& view) noexcept {
  auto count = size_t{view.body.argc} + view.body.envc + 2;
  pointers_ = few_pointers.data();
  if (count > few_pointers.size()) {
    mapped_ = count * sizeof(char*);
    auto memory = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      mapped_ = 0;
      return errno;
    }
    pointers_ = static_cast<char**>(memory);
  }
  auto at = const_cast<char*>(view.strings);
  auto next = [&] {
    auto result = at;
    at += std::strlen(at) + 1;
    return result;
  };
  next(); // working_dir
  auto out = pointers_;
  for (uint32_t i = 0; i < view.body.argc; ++i)
    *out++ = next();
  *out++ = nullptr;
  for (uint32_t i = 0; i < view.body.envc; ++i)
    *out++ = next();
  *out = nullptr;
  cgroup_file_ = (view.body.flags & spawn_cgroup) != 0 ? next() : nullptr;
  return 0;
}

void spawner::free_pointers() noexcept {
  if (mapped_ != 0)
    ::munmap(pointers_, mapped_);
  mapped_ = 0;
  pointers_ = nullptr;
}

void spawner::clone(const spawn_view& view, int64_t now_us, bool is_run,
                    run_slot& slot) noexcept {
  child_plan plan;
  plan.is_run = is_run;
  plan.view = &view;
  plan.working_dir = view.strings;
  plan.argv = pointers_;
  plan.environment = pointers_ + view.body.argc + 1;
  plan.cgroup_file = cgroup_file_;
  plan.nofile_soft = nofile_soft_;
  plan.nofile_hard = nofile_hard_;
  for (size_t i = 0; i < view.body.limit_count; ++i)
    if (auto limit = limit_at(view, i); limit.resource == RLIMIT_NOFILE) {
      plan.nofile_soft = limit.soft;
      plan.nofile_hard = limit.hard;
    }
  plan.now_us = now_us;
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uint64_t>(stack_);
  args.stack_size = stack_size;
  auto pid = clone_child(args, child_entry, &plan);
  if (pid < 0)
    return fail_slot(slot, spawn_stage::clone, static_cast<int>(-pid));
  // A change of user in shared memory marks that memory as not dumpable, and
  // with it the keeper's own entries in /proc as not its own.
  if ((view.body.flags & (spawn_uid | spawn_gid)) != 0)
    ::prctl(PR_SET_DUMPABLE, 1);
  slot.pid = static_cast<int32_t>(pid);
  slot.pidfd.reset(pidfd);
  slot.start_ticks = plan.start_ticks;
  if (plan.stage == spawn_stage::none)
    return;
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED);
  fail_slot(slot, plan.stage, plan.error_number, plan.detail);
}

void spawner::spawn(const spawn_view& view, frame_fds& pipes, size_t first_pipe,
                    int64_t now_us, run_slot& slot) noexcept {
  slot.spawned_us = now_us;
  auto error = place_pipes(view, pipes, first_pipe);
  slot.stdout_r = pipes.take(first_pipe + 2);
  slot.stderr_r = pipes.take(first_pipe + 3);
  slot.stdin_w = pipes.take(first_pipe + 5);
  slot.flags = 0;
  if (slot.stdin_w)
    slot.flags |= report_stdin_pipe;
  if ((view.body.flags & spawn_protect) != 0)
    slot.flags |= report_protected;
  if (error == 0)
    error = make_pointers(view);
  if (error != 0)
    fail_slot(slot, spawn_stage::keeper, error);
  else
    clone(view, now_us, true, slot);
  free_pointers();
  drop_pipes();
}

void spawner::spawn_node(const spawn_view& view,
                         const std::array<unique_fd, 3>& stdio,
                         run_slot& slot) noexcept {
  constexpr std::array places{slot_stdin, slot_stdout, slot_stderr};
  auto error = 0;
  for (size_t i = 0; i < places.size() && error == 0; ++i)
    if (::dup3(stdio[i].get(), places[i], O_CLOEXEC) < 0)
      error = errno;
  if (error == 0)
    error = make_pointers(view);
  if (error != 0)
    fail_slot(slot, spawn_stage::keeper, error);
  else
    clone(view, 0, false, slot);
  free_pointers();
  drop_pipes();
}

} // namespace pm::keeper
