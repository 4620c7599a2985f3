// What 'pmctl check' asks about users and groups. In a static program the C
// library would load the machine's name service modules into itself, which
// crashes (libnss_systemd does); getent(1) asks them in a process of its own.
// These stand in for the C library's functions of the same names, in the
// statically linked pmctl only.

#include <cerrno>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace {

// Runs getent and lets `parse` read its first line; returns what that returns,
// or errno where getent cannot be run.
template <class Parse>
int ask_getent(const char* database, const char* key, Parse parse) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return errno;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const char* argv[] = {"getent", "--", database, key, nullptr};
  pid_t pid = 0;
  auto outcome = posix_spawnp(&pid, argv[0], &actions, nullptr,
                              const_cast<char**>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  auto out = fdopen(ends[0], "re");
  if (outcome == 0)
    outcome = parse(out);
  fclose(out);
  if (pid > 0)
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  return outcome;
}

int find_account(const char* key, passwd* account, char* buffer, size_t size,
                 passwd** found) {
  *found = nullptr;
  auto outcome = ask_getent("passwd", key, [&](FILE* out) {
    return fgetpwent_r(out, account, buffer, size, found);
  });
  // No line at all: nobody has this name.
  return outcome == ENOENT && *found == nullptr ? 0 : outcome;
}

} // namespace

extern "C" {

int getpwnam_r(const char* name, passwd* account, char* buffer, size_t size,
               passwd** found) {
  return find_account(name, account, buffer, size, found);
}

int getpwuid_r(uid_t uid, passwd* account, char* buffer, size_t size,
               passwd** found) {
  return find_account(std::to_string(uid).c_str(), account, buffer, size,
                      found);
}

int getgrnam_r(const char* name, group* entry, char* buffer, size_t size,
               group** found) {
  *found = nullptr;
  auto outcome = ask_getent("group", name, [&](FILE* out) {
    return fgetgrent_r(out, entry, buffer, size, found);
  });
  return outcome == ENOENT && *found == nullptr ? 0 : outcome;
}

// pmctl becomes nobody, so the group that is known already is enough.
int getgrouplist(const char*, gid_t first, gid_t* groups, int* count) {
  if (*count < 1) {
    *count = 1;
    return -1;
  }
  groups[0] = first;
  *count = 1;
  return 1;
}

} // extern "C"
