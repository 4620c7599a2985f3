#pragma once

#include <pm/keeper_host.hpp>

namespace pm {

// Ends the trees of what `begin_side_run` and `begin_hook_run` of a node before
// this one have left: nobody waits for it any longer, and the keeper may forget
// it. Before other runs are adopted.
void end_leftovers(keeper_connection& host);

} // namespace pm
