#pragma once

#include <chrono>
#include <functional>

#include <caf/fwd.hpp>

#include <pm/event_loop.hpp>

namespace pm {

// Makes the actors of systems that `config` builds live on `loop`: they are
// resumed between its polls, a bounded batch at a time, and their timers are
// the loop's. A message from one to another crosses no thread, and an idle
// system never wakes. `loop` must outlive the system. Nothing runs while the
// loop does not: a thread that waits for an actor must not be the loop's.
void use_loop_scheduler(caf::actor_system_config& config, event_loop& loop);

// Runs `loop` on the calling thread until `holds` is true or `patience` has
// passed; gives what `holds` says then.
bool run_until(event_loop& loop, const std::function<bool()>& holds,
               std::chrono::milliseconds patience);

} // namespace pm
