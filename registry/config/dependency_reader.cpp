#include "registry/config/dependency_reader.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include <pm/dependency_cycle.hpp>

namespace pm::config {

namespace {

constexpr std::string_view keys[] = {"condition", "restart", "stop"};

dependency read_one(const node& x) {
  dependency result;
  if (auto* value = x.find(keys[0]);
      value != nullptr && value->is(node_type::string))
    if (auto known = from_name<dependency_condition>(value->text))
      result.condition = *known;
  if (auto* value = x.find(keys[1]);
      value != nullptr && value->is(node_type::boolean))
    result.restart = value->boolean;
  if (auto* value = x.find(keys[2]);
      value != nullptr && value->is(node_type::boolean))
    result.stop = value->boolean;
  return result;
}

std::string subject(const std::string& name, std::string_view handle_id) {
  return fmt::format("'depends_on.{}' of process {}", name,
                     in_quotes(handle_id));
}

bool has_liveness(const process_spec& spec) {
  return std::any_of(spec.probes.begin(), spec.probes.end(),
                     [](auto& x) { return x.role == probe_role::liveness; });
}

// Why this can never hold of `to`; empty if it can.
std::string never_holds(dependency_condition condition,
                        const process_definition& to) {
  if (condition == dependency_condition::completed
      && to.spec.restart == restart_mode::always)
    return fmt::format("{} restarts always, so that it never is completed",
                       in_quotes(to.handle_id));
  if (condition == dependency_condition::healthy && !has_liveness(to.spec))
    return fmt::format("{} has no liveness_probe, so that it never is healthy",
                       in_quotes(to.handle_id));
  return {};
}

// Names that can be depended on: processes, replicas, and what they share.
using targets = std::map<std::string, const process_definition*>;

targets targets_of(const std::vector<process_definition>& processes) {
  targets result;
  for (auto& x : processes) {
    result[x.handle_id] = &x;
    if (auto base = replica_base(x); !base.empty())
      result[base] = &x;
  }
  return result;
}

void check_names(const named_process& x, const targets& all,
                 problem_list& problems) {
  auto own = all.find(x.name);
  for (auto& need : x.needs) {
    auto found = all.find(need.name);
    if (found == all.end()) {
      std::vector<std::string_view> known;
      for (auto& [name, ignored] : all)
        known.push_back(name);
      problems.add(*need.from, need.offset,
                   fmt::format("{}: there is no process {}{}",
                               subject(need.name, x.name), in_quotes(need.name),
                               suggestion(need.name, known)));
      continue;
    }
    if (own == all.end())
      continue;
    auto& needs = own->second->spec.depends_on;
    auto wanted = needs.find(need.name);
    if (wanted == needs.end())
      continue;
    if (auto why = never_holds(wanted->second.condition, *found->second);
        !why.empty())
      problems.add(*need.from, need.offset,
                   fmt::format("{}: {}", subject(need.name, x.name), why));
  }
}

// Where `from` says that it depends on `to`.
const named_need* place_of(const std::vector<named_process>& named,
                           const std::string& from, const std::string& to) {
  for (auto& x : named)
    if (x.name == from)
      for (auto& need : x.needs)
        if (need.name == to || need.name.starts_with(to + "."))
          return &need;
  return nullptr;
}

} // namespace

std::vector<named_need> read_depends_on(const node& x,
                                        std::string_view handle_id,
                                        std::map<std::string, dependency>& to,
                                        problem_list& problems) {
  std::vector<named_need> names;
  if (x.is(node_type::array)) {
    for (auto& child : x.children) {
      if (!child.is(node_type::string))
        continue;
      if (!to.emplace(child.text, dependency{}).second)
        problems.add(
          *child.from, child.offset,
          fmt::format("{}: named twice", subject(child.text, handle_id)));
      names.push_back({child.text, child.from, child.offset});
    }
  } else if (x.is(node_type::object)) {
    for (auto& child : x.children) {
      to.emplace(child.key, read_one(child));
      names.push_back({child.key, child.from, child.key_offset});
    }
  }
  return names;
}

void check_dependencies(const std::vector<named_process>& named,
                        const std::vector<process_definition>& processes,
                        problem_list& problems) {
  auto all = targets_of(processes);
  for (auto& x : named)
    if (!problems.full())
      check_names(x, all, problems);
  auto cycle = find_cycle(needs_of(processes));
  if (cycle.empty())
    return;
  // At the need that closes it.
  auto& last = cycle[cycle.size() - 2];
  if (auto* place = place_of(named, last, cycle.back()))
    problems.add(*place->from, place->offset,
                 fmt::format("{}: a cycle: {}", subject(place->name, last),
                             cycle_text(cycle)));
}

std::vector<std::string_view> dependency_keys() {
  return {std::begin(keys), std::end(keys)};
}

} // namespace pm::config
