#pragma once

#include <string>

#include <pm/record.hpp>

// Whether and when an ended process begins again. Pure: time and chance are
// passed in.

namespace pm {

struct restart_decision {
  bool restart = false;
  bool gave_up = false; // at its start limit: failed, however it ended
  milliseconds delay{0};
  int failures = 0; // the new count in a row
  std::string text; // why not, or how long; empty for a plain end
};

// True if this end counts as success for `spec`.
bool is_success(const process_spec& spec, const exit_status& exit);

// Decides after a run that ended by itself. `uptime` is how long it ran;
// `chance` is in [0, 1).
restart_decision decide_restart(const process_spec& spec,
                                const process_state& state,
                                const exit_status& exit, milliseconds uptime,
                                timestamp now, double chance);

// The delay before restart number `failures` in a row, from 1. Jitter moves it
// by up to that share in either direction.
milliseconds restart_delay(const process_spec& spec, int failures,
                           double chance);

// Drops the starts that are outside the interval (or in the future: the wall
// clock was set back) and adds `now`; keeps at most `burst` of them.
void note_start(const process_spec& spec, process_state& state, timestamp now);

// Takes the newest start back: it failed of the node's own trouble, and counts
// for no limit.
void excuse_start(process_state& state);

// True if `start_limit` allows no further start at `now`.
bool start_limit_reached(const process_spec& spec, const process_state& state,
                         timestamp now);

} // namespace pm
