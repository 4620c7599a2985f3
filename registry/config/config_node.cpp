#include "registry/config/config_node.hpp"

#include <unordered_set>

namespace pm::config {

const node* node::find(std::string_view name) const noexcept {
  for (auto& child : children)
    if (child.key == name)
      return &child;
  return nullptr;
}

std::string what_is(const node& x) {
  switch (x.type) {
  case node_type::null:
    return "null";
  case node_type::boolean:
    return x.boolean ? "true" : "false";
  case node_type::integer:
    return fmt::format("the number {}", x.integer);
  case node_type::number:
    return fmt::format("the number {}", x.number);
  case node_type::string:
    return "the string " + in_double_quotes(x.text);
  case node_type::array:
    return "an array";
  case node_type::object:
    return "an object";
  }
  return "nothing";
}

void merge_under(node& x, const node& defaults) {
  if (!x.is(node_type::object) || !defaults.is(node_type::object))
    return;
  std::unordered_set<std::string> present;
  for (auto& child : x.children)
    present.insert(child.key);
  for (auto& child : x.children)
    if (child.is(node_type::object))
      if (auto* theirs = defaults.find(child.key))
        merge_under(child, *theirs);
  for (auto& child : defaults.children)
    if (!present.contains(child.key))
      x.children.push_back(child);
}

const node* find_good(const node& x, std::string_view name) {
  auto* found = x.find(name);
  return found != nullptr && !found->broken ? found : nullptr;
}

} // namespace pm::config
