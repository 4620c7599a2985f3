// Prints "ready", then the number of each signal it gets, one a line; SIGTERM
// is printed too, and then it exits 0.

#include <csignal>
#include <cstdio>

int main() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  std::setvbuf(stdout, nullptr, _IOLBF, 256);
  std::puts("ready");
  for (;;) {
    int number = 0;
    if (sigwait(&all, &number) != 0)
      return 1;
    std::printf("%d\n", number);
    if (number == SIGTERM)
      return 0;
  }
}
