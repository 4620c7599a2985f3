// child_exit CODE [DELAY_MS]: exits with CODE, after DELAY_MS. A CODE such as
// "SIG9" ends by that signal instead.

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc > 2)
    ::usleep(static_cast<useconds_t>(std::atoi(argv[2])) * 1000);
  if (argc > 1 && std::strncmp(argv[1], "SIG", 3) == 0)
    ::kill(::getpid(), std::atoi(argv[1] + 3));
  return argc > 1 ? std::atoi(argv[1]) : 0;
}
