#include "actors/node_config.hpp"

#include <utility>

#include "runtime/os/cgroup.hpp"
#include "runtime/os/cgroup_limits.hpp"

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

expected<std::string> cgroup_home_for(const node_options& options,
                                      const std::string& state_dir) {
  auto mode = options.config     ? options.config->cgroups
              : options.accepted ? options.accepted->cgroups
                                 : cgroup_mode::if_cheap;
  if (mode == cgroup_mode::off
      || (mode == cgroup_mode::if_cheap && !cgroups_are_cheap()
          && !has_cgroup_home(state_dir)))
    return std::string{};
  auto home = make_cgroup_home(state_dir);
  if (home)
    if (auto missing = hand_down_controllers(*home);
        !missing.empty() && options.note)
      options.note(fmt::format("info {}; limits hold by measuring", missing));
  if (home || mode == cgroup_mode::on)
    return home;
  if (options.note)
    options.note("info " + home.error().text);
  return std::string{};
}

} // namespace pm
