#include "registry/config/call_reader.hpp"

#include <fmt/format.h>

#include <pm/json_fields.hpp>

#include "registry/config/config_files.hpp"

namespace pm::config {

namespace {

void write_node(json::writer& out, const node& x) {
  switch (x.type) {
  case node_type::null:
    out.Null();
    break;
  case node_type::boolean:
    out.Bool(x.boolean);
    break;
  case node_type::integer:
    out.Int64(x.integer);
    break;
  case node_type::number:
    out.Double(x.number);
    break;
  case node_type::string:
    json::write_text(out, x.text);
    break;
  case node_type::array:
    out.StartArray();
    for (auto& child : x.children)
      write_node(out, child);
    out.EndArray();
    break;
  case node_type::object:
    out.StartObject();
    for (auto& child : x.children) {
      json::write_text(out, child.key);
      write_node(out, child);
    }
    out.EndObject();
    break;
  }
}

std::string json_of(const node& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  write_node(out, x);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string text_at(const node& x, std::string_view key) {
  auto* found = find_good(x, key);
  return found != nullptr && found->is(node_type::string) ? found->text
                                                          : std::string{};
}

// A program is looked up in PATH, unless it has a slash.
std::string program_at(const node& x, std::string_view key) {
  auto name = text_at(x, key);
  return name.find('/') == std::string::npos
           ? name
           : join_path(x.find(key)->from->dir(), name);
}

} // namespace

void read_call(const node& x, process_spec& to,
               const std::function<void(const node&, std::string_view,
                                        std::string)>& report) {
  if (!x.is(node_type::object))
    return;
  auto only_with = [&](std::string_view key, std::string_view owner) {
    if (auto* found = find_good(x, key))
      report(*found, key, fmt::format("goes with '{}' only", owner));
  };
  auto is_python = find_good(x, "python") != nullptr;
  auto is_function = find_good(x, "function") != nullptr;
  if (!is_function)
    only_with("library", "function");
  if (!is_python)
    only_with("kwargs", "python");
  if (!is_python && !is_function)
    return only_with("args", "python' or 'function");
  if (is_python == is_function)
    return;
  to.kind = is_python ? kind::python : kind::function;
  auto& call = to.call.emplace();
  call.name = text_at(x, is_python ? "python" : "function");
  if (auto* library = find_good(x, "library"))
    call.library = join_path(library->from->dir(), library->text);
  else if (is_function && x.find("library") == nullptr)
    report(x, "function", "needs the 'library' that has it");
  if (auto* args = find_good(x, "args"))
    call.args = json_of(*args);
  if (auto* kwargs = find_good(x, "kwargs"))
    call.kwargs = json_of(*kwargs);
  call.interpreter = program_at(x, "interpreter");
  if (auto* path = find_good(x, "python_path"))
    for (auto& folder : path->children)
      if (folder.is(node_type::string))
        call.python_path.push_back(join_path(path->from->dir(), folder.text));
}

} // namespace pm::config
