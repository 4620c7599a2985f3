#pragma once

#include <optional>
#include <string>

#include <pm/keeper_host.hpp>

#include "runtime/keeper/keeper_files.hpp"
#include "runtime/loop/keeper_channel.hpp"

namespace pm {

// Looks for a run that no keeper knows: what the keeper's files say of its
// end, or the process itself, proven by boot id, pid and start time, with its
// output pipes opened anew. None: it lives no more, and nobody knows how it
// ended; or it never began.
std::optional<held_row> find_lost_run(const recorded_run& what,
                                      const keeper::keeper_files& files,
                                      const std::string& boot_id);

} // namespace pm
