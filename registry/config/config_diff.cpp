#include <pm/config_diff.hpp>

#include <algorithm>
#include <set>

#include <pm/json_fields.hpp>

#include "registry/config/config_shape.hpp"

namespace pm {

namespace {

constexpr std::string_view asks_to_notify = "_probe.notify";

// What a run is made of; all else takes effect at once.
constexpr std::string_view of_the_run[] = {
  "command",     "function",    "library",     "python",
  "args",        "kwargs",      "interpreter", "python_path",
  "working_dir", "environment", "env_file",    "clear_environment",
  "user",        "group",       "umask",       "nice",
  "limits",      "replica",     "watchdog",    "log.file",
  "log.protect",
};

bool needs_new_run(std::string_view key) {
  return std::any_of(std::begin(of_the_run), std::end(of_the_run),
                     [&](std::string_view x) {
                       return key == x
                              || (key.starts_with(x) && key.size() > x.size()
                                  && key[x.size()] == '.');
                     });
}

std::string json_of(const json::value& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  x.Accept(out);
  return {buffer.GetString(), buffer.GetSize()};
}

const json::value& member(const json::value& x, const json::value& name) {
  static const json::value none;
  auto found = x.FindMember(name);
  return found == x.MemberEnd() ? none : found->value;
}

// A run that was not given $NOTIFY_SOCKET cannot say anything.
bool begins_to_notify(const process_spec& before, const process_spec& after) {
  auto notifies = [](const process_spec& spec) {
    return spec.watchdog
           || std::any_of(spec.probes.begin(), spec.probes.end(),
                          [](auto& x) { return x.kind == probe_kind::notify; });
  };
  return notifies(after) && !notifies(before);
}

// Walks two objects side by side, and gives the leaves that differ.
class comparison {
public:
  explicit comparison(std::set<std::string> secrets)
    : secrets_(std::move(secrets)) {}

  void compare(const std::string& at, const json::value& before,
               const json::value& after) {
    if (before == after)
      return;
    auto is_tree = (before.IsObject() || before.IsNull())
                   && (after.IsObject() || after.IsNull());
    if (!is_tree || (before.IsNull() && after.IsNull()))
      return add(at, before, after);
    const json::value nothing{rapidjson::kObjectType};
    auto& left = before.IsObject() ? before : nothing;
    auto& right = after.IsObject() ? after : nothing;
    auto below = [&](const json::value& name) {
      std::string text{name.GetString(), name.GetStringLength()};
      return at.empty() ? text : at + "." + text;
    };
    for (auto& x : left.GetObject())
      compare(below(x.name), x.value, member(right, x.name));
    for (auto& x : right.GetObject())
      if (!left.HasMember(x.name))
        compare(below(x.name), json::value{}, x.value);
  }

  std::vector<key_change> take() { return std::move(changes_); }

private:
  void add(const std::string& at, const json::value& before,
           const json::value& after) {
    auto shown = [&](const json::value& x) -> std::string {
      if (secrets_.contains(at) && !x.IsNull())
        return "\"(secret)\"";
      return json_of(x);
    };
    changes_.push_back({at, shown(before), shown(after), needs_new_run(at)});
  }

  std::set<std::string> secrets_;
  std::vector<key_change> changes_;
};

} // namespace

std::vector<key_change> changed_keys(const process_definition& before,
                                     const process_definition& after) {
  std::vector<key_change> result;
  if (before.origin != after.origin)
    result.push_back({"origin", fmt::format("\"{}\"", to_string(before.origin)),
                      fmt::format("\"{}\"", to_string(after.origin)), false});
  if (before.spec == after.spec)
    return result;
  auto left = config::in_config_words(before.spec);
  auto right = config::in_config_words(after.spec);
  std::set<std::string> secrets;
  for (auto* spec : {&before.spec, &after.spec})
    for (auto& name : spec->secrets)
      secrets.insert("environment." + name);
  comparison walk{std::move(secrets)};
  walk.compare({}, left, right);
  auto is_new_socket = begins_to_notify(before.spec, after.spec);
  for (auto& x : walk.take()) {
    x.restarts =
      x.restarts || (is_new_socket && x.key.ends_with(asks_to_notify));
    result.push_back(std::move(x));
  }
  return result;
}

} // namespace pm
