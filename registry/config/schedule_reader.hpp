#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/spec.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// Reads the schedule of a process, after all else of it. What the schema cannot
// say is told to `report`, with the key it is about.
void read_schedule(const node& x, process_spec& to,
                   const std::function<void(const node&, std::string_view,
                                            std::string)>& report);

// The keys of "schedule".
std::vector<std::string_view> schedule_keys();

} // namespace pm::config
