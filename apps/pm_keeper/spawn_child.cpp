#include "apps/pm_keeper/spawn_child.hpp"

#include <climits>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "apps/pm_keeper/keeper_journal.hpp"
#include "runtime/os/clone_child.hpp"

// Compiled without sanitizers: it runs on a foreign stack, sharing the
// keeper's memory.

namespace pm::keeper {

namespace {

constexpr uint64_t spare_fd_max = 1024;

[[noreturn]] void give_up(child_plan& plan, spawn_stage stage, long error,
                          uint32_t detail = 0) noexcept {
  plan.error_number = static_cast<int>(-error);
  plan.detail = detail;
  plan.stage = stage;
  for (;;)
    raw_call(SYS_exit_group, 127);
}

void check(child_plan& plan, spawn_stage stage, long result,
           uint32_t detail = 0) noexcept {
  if (result < 0)
    give_up(plan, stage, result, detail);
}

// Field 22 of /proc/self/stat; 0 where there is no /proc.
uint64_t own_start_ticks() noexcept {
  auto fd =
    raw_call(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  char text[512];
  auto size = raw_call(SYS_read, fd, text, sizeof(text) - 1);
  raw_call(SYS_close, fd);
  if (size <= 0)
    return 0;
  text[size] = 0;
  auto at = std::strrchr(text, ')');
  // The word behind the parenthesis is field 3.
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at, ' ');
    at = at == nullptr ? nullptr : at + 1;
  }
  uint64_t result = 0;
  for (; at != nullptr && *at >= '0' && *at <= '9'; ++at)
    result = result * 10 + static_cast<uint64_t>(*at - '0');
  return result;
}

void record_run(child_plan& plan) noexcept {
  auto pid = raw_call(SYS_getpid);
  auto record = make_record(plan.view->body.run_id, static_cast<int>(pid),
                            plan.start_ticks, plan.now_us, outcome::live, 0);
  raw_call(SYS_write, slot_runs_file, &record, sizeof(record));
}

// Puts the pipes where the program expects them, the spare read ends high up,
// and closes the rest.
void place_descriptors(child_plan& plan) noexcept {
  constexpr auto stage = spawn_stage::descriptors;
  auto flags = plan.view->body.flags;
  check(plan, stage, raw_call(SYS_dup3, slot_stdout, 1, 0));
  check(plan, stage, raw_call(SYS_dup3, slot_stderr, 2, 0));
  if ((flags & spawn_stdin_pipe) != 0)
    check(plan, stage, raw_call(SYS_dup3, slot_stdin, 0, 0));
  auto last = ~0u;
  if ((flags & spawn_protect) != 0) {
    // High, so that the program's own numbers are not disturbed; not higher
    // than 1023, since the kernel's table is as long as its highest entry.
    auto top =
      plan.nofile_soft < spare_fd_max ? plan.nofile_soft : spare_fd_max;
    auto base = static_cast<int>(top) - 2;
    if (base < first_private_fd)
      base = first_private_fd;
    check(plan, stage, raw_call(SYS_fcntl, slot_spare_stdout, F_DUPFD, base));
    check(plan, stage,
          raw_call(SYS_fcntl, slot_spare_stderr, F_DUPFD, base + 1));
    last = static_cast<unsigned>(base) - 1;
  }
  check(plan, stage, raw_call(SYS_close_range, 3, last, 0));
}

void set_limit(child_plan& plan, int resource, uint64_t soft,
               uint64_t hard) noexcept {
  struct {
    uint64_t soft;
    uint64_t hard;
  } value{soft, hard};
  check(plan, spawn_stage::limit,
        raw_call(SYS_prlimit64, 0, resource, &value, nullptr),
        static_cast<uint32_t>(resource));
}

// By its own hand, so that nothing it begins is ever outside.
void enter_cgroup(child_plan& plan) noexcept {
  if (plan.cgroup_file == nullptr)
    return;
  auto fd =
    raw_call(SYS_openat, AT_FDCWD, plan.cgroup_file, O_WRONLY | O_CLOEXEC);
  check(plan, spawn_stage::cgroup, fd);
  check(plan, spawn_stage::cgroup, raw_call(SYS_write, fd, "0", 1));
  raw_call(SYS_close, fd);
}

void apply_limits(child_plan& plan) noexcept {
  auto& view = *plan.view;
  set_limit(plan, RLIMIT_NOFILE, plan.nofile_soft, plan.nofile_hard);
  for (size_t i = 0; i < view.body.limit_count; ++i) {
    auto limit = limit_at(view, i);
    set_limit(plan, static_cast<int>(limit.resource), limit.soft, limit.hard);
  }
}

void become_user(child_plan& plan) noexcept {
  auto& body = plan.view->body;
  if ((body.flags & spawn_groups) != 0)
    check(plan, spawn_stage::groups,
          raw_call(SYS_setgroups, body.group_count,
                   body.group_count == 0 ? nullptr : plan.view->groups.data()));
  if ((body.flags & spawn_gid) != 0)
    check(plan, spawn_stage::gid,
          raw_call(SYS_setresgid, body.gid, body.gid, body.gid));
  if ((body.flags & spawn_uid) != 0)
    check(plan, spawn_stage::uid,
          raw_call(SYS_setresuid, body.uid, body.uid, body.uid));
  if ((body.flags & spawn_no_new_privs) != 0)
    check(plan, spawn_stage::privileges,
          raw_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

const char* path_of(char* const* environment) noexcept {
  for (; *environment != nullptr; ++environment)
    if (std::strncmp(*environment, "PATH=", 5) == 0)
      return *environment + 5;
  return "/usr/local/bin:/usr/bin:/bin";
}

// True if another directory of PATH may still have the program.
bool try_next(long error) noexcept {
  return error == -ENOENT || error == -ENOTDIR || error == -EACCES
         || error == -ENAMETOOLONG || error == -ELOOP || error == -ENODEV
         || error == -ESTALE || error == -ETIMEDOUT;
}

// Executes; returns -errno. A name without a slash is looked up in the
// child's own PATH; EACCES of one place outweighs ENOENT of the others. There
// is no fallback to a shell.
long execute(const child_plan& plan) noexcept {
  auto name = plan.argv[0];
  if (std::strchr(name, '/') != nullptr || *name == 0)
    return raw_call(SYS_execve, name, plan.argv, plan.environment);
  auto size = std::strlen(name);
  long worst = -ENOENT;
  char full[PATH_MAX];
  for (auto dir = path_of(plan.environment);;) {
    auto length = std::strcspn(dir, ":");
    if (length + size + 2 <= sizeof(full)) {
      std::memcpy(full, dir, length);
      // An empty element is the working directory.
      if (length > 0)
        full[length] = '/';
      std::memcpy(full + length + (length > 0 ? 1 : 0), name, size + 1);
      auto error = raw_call(SYS_execve, full, plan.argv, plan.environment);
      if (!try_next(error))
        return error;
      if (error == -EACCES)
        worst = error;
    }
    if (dir[length] == 0)
      return worst;
    dir += length + 1;
  }
}

} // namespace

void child_entry(void* arg) noexcept {
  auto& plan = *static_cast<child_plan*>(arg);
  auto& body = plan.view->body;
  // First of all: until here the descriptor table is the keeper's own.
  check(plan, spawn_stage::descriptors,
        raw_call(SYS_close_range, first_private_fd, ~0u, CLOSE_RANGE_UNSHARE));
  plan.start_ticks = own_start_ticks();
  if (plan.is_run)
    record_run(plan);
  check(plan, spawn_stage::session, raw_call(SYS_setsid));
  place_descriptors(plan);
  enter_cgroup(plan);
  apply_limits(plan);
  if ((body.flags & spawn_nice) != 0)
    check(plan, spawn_stage::nice,
          raw_call(SYS_setpriority, PRIO_PROCESS, 0, body.nice));
  become_user(plan);
  if ((body.flags & spawn_umask) != 0)
    raw_call(SYS_umask, body.umask & 0777);
  // As the new user, so that it may be there at all.
  if (*plan.working_dir != 0)
    check(plan, spawn_stage::working_dir,
          raw_call(SYS_chdir, plan.working_dir));
  // The dispositions are the defaults already; the keeper has no others.
  uint64_t none = 0;
  check(
    plan, spawn_stage::signals,
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof(none)));
  give_up(plan, spawn_stage::exec, execute(plan));
}

} // namespace pm::keeper
