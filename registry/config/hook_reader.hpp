#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/spec.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// Reads the hooks of a process. What the schema cannot say is told to
// `report`, with the key it is about.
void read_hooks(const node& x, process_spec& to,
                const std::function<void(const node&, std::string_view,
                                         std::string)>& report);

// The keys of "hooks".
std::vector<std::string_view> hook_keys();

} // namespace pm::config
