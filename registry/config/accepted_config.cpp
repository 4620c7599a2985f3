#include <pm/config_diff.hpp>
#include <pm/storage.hpp>

#include "registry/store/store_files.hpp"
#include <pm/json_fields.hpp>

namespace pm {

PM_INSTANTIATE_JSON(accepted_config)
PM_INSTANTIATE_JSON(config_diff)

expected<void> put_file(storage& on, const std::string& name,
                        std::string_view text) {
  auto fresh = name + ".new";
  if (auto ok = files::write_whole(on, fresh, text); !ok) {
    (void)on.remove(fresh); // its bytes may be what fills the disk
    return ok;
  }
  if (auto ok = on.rename(fresh, name); !ok)
    return ok;
  return on.sync_directory();
}

accepted_config accept_config(node_config config, timestamp at) {
  accepted_config result;
  result.path = std::move(config.path);
  result.name = std::move(config.name);
  result.start_concurrency_max = config.start_concurrency_max;
  result.cgroups = config.cgroups;
  result.accepted_at = at;
  result.processes = std::move(config.processes);
  return result;
}

expected<void> write_accepted_config(const std::string& state_dir,
                                     const accepted_config& config) {
  auto on = open_storage(state_dir);
  if (!on)
    return tl::make_unexpected(on.error());
  return put_file(**on, accepted_config_name, to_json(config));
}

expected<std::optional<accepted_config>>
read_accepted_config(const std::string& state_dir) {
  auto on = open_storage(state_dir);
  if (!on)
    return tl::make_unexpected(on.error());
  auto text = (*on)->read(accepted_config_name);
  if (!text)
    return tl::make_unexpected(text.error());
  if (!*text)
    return std::optional<accepted_config>{};
  auto config = from_json<accepted_config>(**text);
  if (!config)
    return fail(ec::format_refused, "{}/{}: {}", state_dir,
                accepted_config_name, config.error().text);
  return std::optional{std::move(*config)};
}

} // namespace pm
