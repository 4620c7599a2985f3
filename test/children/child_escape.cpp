// child_escape FILE [clear]: makes a tree that is hard to end, and lives until
// a signal ends it. Beside it live: a child of its own group, a grandchild
// with a session of its own whose parent has ended, and one more of that kind
// below it; all of them ignore SIGTERM. Their pids go to FILE, one a line,
// once all of them are there. With `clear` they live without an environment
// below a parent that stays.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace {

FILE* pids = nullptr;

[[noreturn]] void stay() {
  std::signal(SIGTERM, SIG_IGN);
  std::fprintf(pids, "%d\n", ::getpid());
  std::fflush(pids);
  for (;;)
    ::pause();
}

// A process with a session of its own, which loses its parent if that `ends`.
void escape(int depth, bool ends) {
  auto parent = ::fork();
  if (parent != 0)
    return;
  ::setsid();
  if (::fork() != 0) {
    if (ends)
      ::_exit(0);
    stay();
  }
  ::setsid();
  if (depth > 0)
    escape(depth - 1, ends);
  stay();
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  if (argc > 2 && std::strcmp(argv[2], "clear") == 0) {
    char* words[] = {argv[0], argv[1], nullptr};
    char* nothing[] = {nullptr};
    // The environment of exec is what /proc shows.
    if (::fork() == 0)
      ::execve("/proc/self/exe", words, nothing);
    for (;;)
      ::pause();
  }
  pids = std::fopen(argv[1], "a");
  if (pids == nullptr)
    return 1;
  auto keeps_parents = ::getenv("PM_RUN_ID") == nullptr;
  if (::fork() == 0)
    stay();
  escape(1, !keeps_parents);
  for (;;)
    ::pause();
}
