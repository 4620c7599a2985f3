#pragma once

#include "actors/supervision.hpp"

namespace pm {

// Runs `shutdown.command` of a process as a run of its own: with the
// environment, the user and the directory of the process, and what it writes
// kept in memory. `to` is told of its end with `command_atom`. Gives the id of
// that run.
run_id begin_stop_command(const supervision& on, const process_record& record,
                          const supervisor_actor& to);

} // namespace pm
