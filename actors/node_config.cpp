#include "actors/node_config.hpp"

#include <utility>

namespace pm {

void take_config(node_options& options, storage& files, manager_start& to) {
  if (options.config) {
    auto config = accept_config(std::move(*options.config),
                                std::chrono::time_point_cast<milliseconds>(
                                  std::chrono::system_clock::now()));
    config.applied = true; // each node that begins with it compares again
    if (auto ok = put_file(files, accepted_config_name, to_json(config));
        !ok && options.note)
      options.note("warning the configuration is not kept: " + ok.error().text);
    to.has_config = true;
    to.configured = std::exchange(config.processes, {});
    to.accepted = std::move(config);
  } else if (options.accepted) {
    auto& config = *options.accepted;
    to.has_config = to.is_half_applied = !config.applied;
    if (!config.applied)
      to.configured = config.processes;
    to.accepted = std::move(config);
    if (to.accepted.applied)
      to.accepted.processes.clear();
  }
  options.config.reset();
  options.accepted.reset();
}

} // namespace pm
