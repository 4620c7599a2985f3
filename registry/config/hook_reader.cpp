#include "registry/config/hook_reader.hpp"

#include <pm/units.hpp>

namespace pm::config {

namespace {

std::vector<std::string> read_words(const node& x) {
  if (x.is(node_type::string))
    return {"/bin/sh", "-c", x.text};
  std::vector<std::string> result;
  for (auto& word : x.children)
    if (word.is(node_type::string))
      result.push_back(word.text);
  return result;
}

} // namespace

void read_hooks(const node& x, process_spec& to,
                const std::function<void(const node&, std::string_view,
                                         std::string)>& report) {
  auto* hooks = find_good(x, "hooks");
  if (hooks == nullptr || !hooks->is(node_type::object))
    return;
  for (auto& member : hooks->children) {
    auto moment = from_name<hook_moment>(member.key);
    if (!moment || member.broken)
      continue;
    hook_spec hook;
    hook.moment = *moment;
    auto key = "hooks." + member.key;
    auto is_object = member.is(node_type::object);
    auto* command = is_object ? find_good(member, "command") : &member;
    if (command != nullptr)
      hook.command = read_words(*command);
    if (!hook.command.empty() && hook.command[0].empty())
      report(member, key, "the program's name is empty");
    if (auto* timeout = is_object ? find_good(member, "timeout") : nullptr) {
      hook.timeout = parse_duration(timeout->text).value_or(hook.timeout);
      if (hook.timeout.count() <= 0)
        report(*timeout, key + ".timeout",
               fmt::format("\"{}\": must be longer than 0", timeout->text));
    }
    to.hooks.push_back(std::move(hook));
  }
}

std::vector<std::string_view> hook_keys() {
  auto& all = enum_names<hook_moment>::names;
  return {all.begin(), all.end()};
}

} // namespace pm::config
