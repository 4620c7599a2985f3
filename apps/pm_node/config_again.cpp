#include "apps/pm_node/config_again.hpp"

namespace pm {

expected<accepted_config> read_config_again(const std::string& path) {
  if (path.empty())
    return fail(ec::invalid_argument, "this node was started without --config; "
                                      "there is nothing to read again");
  auto config = load_config(path, process_environment());
  if (!config)
    return fail(ec::bad_config, "{}", to_string(config.error()));
  auto now = std::chrono::time_point_cast<milliseconds>(
    std::chrono::system_clock::now());
  return accept_config(std::move(*config), now);
}

} // namespace pm
