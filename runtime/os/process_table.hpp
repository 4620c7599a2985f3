#pragma once

#include <vector>

#include "runtime/os/proc.hpp"

namespace pm {

// All processes of the machine that /proc shows, by pid: one pass, about six
// microseconds each. A process that ends or begins meanwhile may be missing.
// Empty where /proc cannot be read. Any thread.
std::vector<process_stat> read_process_table();

// The open descriptors of `pid`; none where that cannot be told.
std::optional<int> count_descriptors(int pid);

} // namespace pm
