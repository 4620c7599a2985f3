#pragma once

#include "actors/supervision.hpp"

namespace pm {

// Runs the command of an exec probe as a short run of its own, with the
// environment, the user and the directory of the process. `to` is told of its
// end with `probe_atom`. Gives the id of that run.
run_id begin_probe_command(const supervision& on, const process_record& record,
                           const probe_spec& probe, uint64_t probing,
                           const supervisor_actor& to);

} // namespace pm
