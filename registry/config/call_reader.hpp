#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <pm/spec.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// Reads what a process calls where it does not run a command: `function`,
// `python` and the keys that go with them. What does not fit together is told
// to `report`, with the key it is about.
void read_call(const node& x, process_spec& to,
               const std::function<void(const node&, std::string_view,
                                        std::string)>& report);

} // namespace pm::config
