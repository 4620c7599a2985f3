#pragma once

#include <pm/node.hpp>
#include <pm/storage.hpp>

#include "actors/manager.hpp"

namespace pm {

// What is to run, by the configuration in `options` that is new or was accepted
// before; it is taken out of them. A new one is on disk before anything follows
// from it.
void take_config(node_options& options, storage& files, manager_start& to);

} // namespace pm
