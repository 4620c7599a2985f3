#include "apps/pmctl/log_sources.hpp"

#include <algorithm>
#include <memory>
#include <set>

#include <dirent.h>

#include <fmt/ranges.h>

#include <pm/ids.hpp>

namespace pm::ctl {

namespace {

constexpr std::string_view log_suffix = ".log";

// True if `name` addresses `id`: as a pattern, exactly, or as a replica.
bool addresses(const std::string& name, std::string_view id) {
  if (matches_glob(name, id))
    return true;
  if (!id.starts_with(name + "."))
    return false;
  auto rest = id.substr(name.size() + 1);
  return !rest.empty()
         && rest.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string> handle_ids_in(const std::string& directory) {
  std::vector<std::string> ids;
  std::unique_ptr<DIR, decltype([](DIR* x) { closedir(x); })> dir{
    opendir(directory.c_str())};
  if (!dir)
    return ids;
  while (auto entry = readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (!name.ends_with(log_suffix))
      continue;
    name.remove_suffix(log_suffix.size());
    if (check_handle_id(name))
      ids.emplace_back(name);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

expected<std::vector<log_source>>
logs_on_disk(const std::string& state_dir,
             const std::vector<std::string>& names, const error& why) {
  auto directory = state_dir + "/logs";
  auto ids = handle_ids_in(directory);
  std::vector<log_source> found;
  for (auto& id : ids)
    if (names.empty()
        || std::any_of(names.begin(), names.end(),
                       [&](auto& name) { return addresses(name, id); }))
      found.push_back(
        {id, fmt::format("{}/{}{}", directory, id, log_suffix), "", ""});
  if (found.empty())
    return fail(why.code, "{}\nand {} has no log of '{}'", why.text, directory,
                names.empty() ? std::string{"*"}
                              : fmt::format("{}", fmt::join(names, "' '")));
  return found;
}

} // namespace

expected<std::vector<log_source>>
find_logs(session& here, const std::vector<std::string>& names) {
  auto params = here.params();
  if (!names.empty())
    params.set("names", names);
  auto reply = here.call("list", params);
  if (!reply && reply.error().code == ec::unreachable)
    return logs_on_disk(here.address().state_dir, names, reply.error());
  if (!reply)
    return tl::make_unexpected(std::move(reply.error()));
  auto views = views_of(reply->body());
  if (!views)
    return tl::make_unexpected(std::move(views.error()));
  if (views->empty() && !names.empty())
    return fail(ec::no_such_process, "no process matches '{}'",
                fmt::join(names, "' '"));
  std::vector<log_source> found;
  std::set<std::string> paths;
  for (auto& x : *views)
    if (!x.log_file.empty() && paths.insert(x.log_file).second)
      found.push_back({x.handle_id, x.log_file, x.run_id, x.correlation_id});
  return found;
}

} // namespace pm::ctl
