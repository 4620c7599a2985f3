#include "apps/pmctl/look_up.hpp"

namespace pm::ctl {

expected<looked_up> look_up(session& here,
                            const std::vector<std::string>& names, bool usage) {
  looked_up found;
  for (auto& name : names) {
    auto params = here.params();
    params.set("names", std::vector<std::string>{name}).set("usage", usage);
    auto reply = here.call("list", params);
    if (!reply && reply.error().code == ec::no_such_process) {
      found.missing.push_back(std::move(reply.error()));
      continue;
    }
    if (!reply)
      return tl::make_unexpected(std::move(reply.error()));
    if (reply->body().IsArray() && reply->body().Empty())
      found.missing.push_back(
        {ec::no_such_process, fmt::format("no process matches '{}'", name)});
    found.replies.push_back(std::move(*reply));
  }
  for (auto& reply : found.replies)
    if (reply.body().IsArray())
      for (auto& view : reply.body().GetArray())
        found.views.push_back(&view);
  return found;
}

expected<std::vector<std::string>> ids_of(session& here,
                                          const std::string& name) {
  auto found = look_up(here, {name}, false);
  if (!found)
    return tl::make_unexpected(std::move(found.error()));
  if (!found->missing.empty() && is_glob(name))
    return tl::make_unexpected(std::move(found->missing[0]));
  if (!found->missing.empty())
    return std::vector<std::string>{name};
  std::vector<std::string> ids;
  for (auto value : found->views) {
    auto view = view_of(*value);
    if (!view)
      return tl::make_unexpected(std::move(view.error()));
    ids.push_back(std::move(view->handle_id));
  }
  return ids;
}

void emit_array(const std::vector<const rapidjson::Value*>& values) {
  std::string out = "[";
  for (auto value : values) {
    if (out.size() > 1)
      out += ',';
    out += json_line(*value);
    out.pop_back();
  }
  session::emit(out + "]\n");
}

void emit_json(const std::vector<std::string>& names,
               const std::vector<const rapidjson::Value*>& values) {
  if (names.size() == 1 && !is_glob(names[0]) && values.size() == 1)
    session::emit(json_line(*values[0]));
  else
    emit_array(values);
}

} // namespace pm::ctl
