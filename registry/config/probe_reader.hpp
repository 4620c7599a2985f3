#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <pm/spec.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// Reads the probes of a process. What the schema cannot say is told to
// `report`, with the key it is about.
void read_probes(const node& x, process_spec& to,
                 const std::function<void(const node&, std::string_view,
                                          std::string)>& report);

} // namespace pm::config
