#pragma once

#include <pm/node.hpp>
#include <pm/storage.hpp>

#include "actors/manager.hpp"

namespace pm {

// What is to run, by the configuration in `options` that is new or was accepted
// before; it is taken out of them. A new one is on disk before anything follows
// from it.
void take_config(node_options& options, storage& files, manager_start& to);

// The group below which each run of this node has one, as the configuration
// asks for it; empty: none. Errors: system_failed, where it insists.
expected<std::string> cgroup_home_for(const node_options& options,
                                      const std::string& state_dir);

} // namespace pm
