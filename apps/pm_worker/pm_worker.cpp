// pm-worker: the process in which pm-node calls a function of a plugin library.
// pm starts it; the call comes on descriptor 0.

#include <cstdio>

#include <pm/function.hpp>

int main() {
  if (auto code = pm::run_worker())
    return *code;
  std::fputs("pm-worker: runs one function of a plugin library for pm; it is "
             "started by pm-node, not by hand\n",
             stderr);
  return 2;
}
