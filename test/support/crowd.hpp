#pragma once

#include <cstddef>
#include <string>

#include "test/support/daemon_fixture.hpp"

namespace pm::test {

// A node with many processes.
struct crowd_fixture : daemon_fixture {
  // Waits until so many are running.
  bool wait_for_running(size_t count);
};

// A configuration of `count` sleepers, s0 and so on.
std::string sleepers(int count);

// Open descriptors of a process.
size_t descriptors(int pid);

// Times that any thread of the process went to sleep by itself.
long sleeps(int pid);

// Dead children that `parent` has not reaped.
int zombies_of(int parent);

} // namespace pm::test
