#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/supervision.hpp"

namespace pm {

// How a side run ended: well means with exit 0; else, or with output, in words.
using side_run_done =
  std::function<void(const run_id& run, bool good, std::string text)>;

// Runs a command beside a process, for a stop, a probe or a hook: with its
// environment (and PM_SIDE_RUN, its own id, and PM_MAIN_PID), its user and
// its directory. Nothing of it is on record; acknowledge it when `done` has
// been called, on the host's thread. `name` stands behind the handle id in
// messages. With `ends_group` the rest of its group is killed when it ends.
// Gives its id, for signals.
run_id begin_side_run(const supervision& on, const process_record& record,
                      std::string_view name,
                      const std::vector<std::string>& command,
                      side_run_done done, bool ends_group = false);

// A question of an exec probe: see `probe_question::begin`.
std::function<cancel_probe(std::function<void(probe_answer)>)>
make_probe_command(std::shared_ptr<const supervision> on,
                   const process_record& record,
                   const std::vector<std::string>& command);

// The same for a hook: it has PM_HOOK, and writes to the process's log.
run_id begin_hook_run(const supervision& on, const process_record& record,
                      const hook_spec& hook, side_run_done done);

} // namespace pm
