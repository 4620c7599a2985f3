// Ignores SIGTERM, prints "ready", and lives until it is killed.

#include <csignal>
#include <unistd.h>

int main() {
  std::signal(SIGTERM, SIG_IGN);
  if (::write(1, "ready\n", 6) != 6)
    return 1;
  for (;;)
    ::pause();
}
