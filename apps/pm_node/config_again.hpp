#pragma once

#include <string>

#include <pm/config_diff.hpp>

namespace pm {

// Reads the configuration file again, with all that it includes. Errors:
// bad_config, with a line for each problem; invalid_argument (`path` is empty:
// the node has none).
expected<accepted_config> read_config_again(const std::string& path);

} // namespace pm
