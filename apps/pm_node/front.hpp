#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pm {

// Splits the program in two before it has threads. The node goes on in a child
// with a session of its own, where this returns nothing. The caller's process
// stays in front of it for whoever has started it: it passes SIGTERM, SIGINT
// and SIGHUP on to whichever node holds `state_dir`, outlasts nodes that crash
// and are started again, and returns the exit code of the last one. Where
// nobody is left to start one, because the keeper was killed too, it runs
// `resume` itself; where that is empty, nobody starts a node again. As PID 1 of
// a container it reaps whoever comes to it.
std::optional<int> stand_in_front(const std::string& state_dir,
                                  const std::vector<std::string>& resume);

} // namespace pm
