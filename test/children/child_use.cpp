// child_use [child | orphan] [memory MB] [cpu]: takes so much memory, 4 MB
// every 20 ms, then sleeps; or uses a core for ever. `child` has a child do it;
// `orphan` one in a session of its own, whose parent has ended.

#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace {

constexpr size_t step = 4'000'000;

[[noreturn]] void wait_for_ever() {
  for (;;)
    ::pause();
}

void take(size_t megabytes) {
  for (size_t taken = 0; taken < megabytes * 1'000'000; taken += step) {
    auto* part = static_cast<volatile char*>(std::malloc(step));
    if (part == nullptr)
      std::abort();
    for (size_t i = 0; i < step; i += 1024)
      part[i] = 1;
    ::usleep(20'000);
  }
}

} // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "child") == 0) {
      if (::fork() != 0)
        wait_for_ever();
    } else if (std::strcmp(argv[i], "orphan") == 0) {
      if (::fork() != 0)
        wait_for_ever();
      if (::fork() != 0)
        return 0;
      ::setsid();
    } else if (std::strcmp(argv[i], "memory") == 0 && i + 1 < argc) {
      take(static_cast<size_t>(std::atoi(argv[++i])));
    } else if (std::strcmp(argv[i], "cpu") == 0) {
      volatile bool goes_on = true;
      while (goes_on) {
      }
    }
  }
  wait_for_ever();
}
