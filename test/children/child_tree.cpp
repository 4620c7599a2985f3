// child_tree [setsid] [ignore_term] [leave]: forks a grandchild that keeps
// stdout open, and prints "PID GRANDCHILD_PID". Both live until a signal ends
// them; with `leave` the child exits 0 at once. `setsid` puts the grandchild
// into a session of its own, `ignore_term` has it ignore SIGTERM.

#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace {

bool given(char** argv, const char* word) {
  for (++argv; *argv != nullptr; ++argv)
    if (std::strcmp(*argv, word) == 0)
      return true;
  return false;
}

} // namespace

int main(int, char** argv) {
  int ready[2];
  if (::pipe(ready) != 0)
    return 1;
  auto pid = ::fork();
  if (pid < 0)
    return 1;
  if (pid == 0) {
    if (given(argv, "setsid"))
      ::setsid();
    if (given(argv, "ignore_term"))
      std::signal(SIGTERM, SIG_IGN);
    ::close(ready[0]);
    ::close(ready[1]);
    for (;;)
      ::pause();
  }
  ::close(ready[1]);
  // Its end of the pipe closes once the grandchild is as it was asked to be.
  char byte = 0;
  [[maybe_unused]] auto end = ::read(ready[0], &byte, 1);
  std::printf("%d %d\n", ::getpid(), pid);
  std::fflush(stdout);
  if (given(argv, "leave"))
    return 0;
  for (;;)
    ::pause();
}
