#include "actors/dependency_graph.hpp"

#include <algorithm>
#include <utility>

namespace pm {

namespace {

constexpr size_t index_of(dependency_condition x) {
  return static_cast<size_t>(x);
}

bool holds_at(size_t condition, const dependency_facts& facts) {
  return holds(static_cast<dependency_condition>(condition), facts);
}

} // namespace

bool holds(dependency_condition condition, const dependency_facts& facts) {
  switch (condition) {
  case dependency_condition::started:
    return facts.started;
  case dependency_condition::ready:
    return facts.ready;
  case dependency_condition::healthy:
    return facts.healthy;
  default:
    return facts.completed;
  }
}

// -- changes ------------------------------------------------------------------

// Notes that one need of `id` is met, or not any more.
void dependency_graph::turn(const std::string& id, bool met,
                            dependency_effects& effects) {
  auto found = nodes_.find(id);
  if (found == nodes_.end())
    return;
  auto& unmet = found->second.unmet;
  if (met && --unmet == 0)
    effects.met.push_back(id);
  else if (!met && unmet++ == 0)
    effects.unmet.push_back(id);
}

// Changes a group and tells those for whom something turns by it.
template <class Change>
void dependency_graph::change_group(const std::string& name, Change change,
                                    dependency_effects& effects) {
  auto& x = groups_[name];
  std::array<bool, conditions> before{};
  for (size_t c = 0; c < conditions; ++c)
    before[c] = x.holds(c);
  change(x);
  for (size_t c = 0; c < conditions; ++c) {
    auto now = x.holds(c);
    if (now != before[c])
      for (auto& id : x.dependents[c])
        turn(id, now, effects);
    if (!now || !x.renewed[c])
      continue;
    x.renewed[c] = false;
    for (auto& id : x.dependents[c])
      if (auto need = needs(id).find(name);
          need != needs(id).end() && need->second.restart)
        effects.renewed.push_back(id);
  }
}

dependency_effects dependency_graph::set(const std::string& id,
                                         const std::string& base,
                                         const needs_map& needs) {
  dependency_effects effects;
  auto [place, added] = nodes_.try_emplace(id);
  auto& x = place->second;
  if (added) {
    x.base = base;
    for (auto& name : names_of(id))
      change_group(
        name, [&](group& g) { g.members.insert(id); }, effects);
  } else if (x.needs == needs) {
    return effects;
  }
  auto was_met = x.unmet == 0;
  unlink(id, x);
  x.needs = needs;
  x.unmet = 0;
  for (auto& [name, need] : needs) {
    auto& g = groups_[name];
    g.dependents[index_of(need.condition)].insert(id);
    x.unmet += !g.holds(index_of(need.condition));
  }
  if (was_met != (x.unmet == 0))
    (was_met ? effects.unmet : effects.met).push_back(id);
  return effects;
}

dependency_effects dependency_graph::erase(const std::string& id) {
  auto effects = update(id, {});
  auto found = nodes_.find(id);
  if (found == nodes_.end())
    return effects;
  auto names = names_of(id);
  unlink(id, found->second);
  nodes_.erase(found);
  for (auto& name : names) {
    change_group(
      name, [&](group& g) { g.members.erase(id); }, effects);
    forget_if_unused(name);
  }
  return effects;
}

dependency_effects dependency_graph::update(const std::string& id,
                                            const dependency_facts& facts) {
  dependency_effects effects;
  auto found = nodes_.find(id);
  if (found == nodes_.end() || found->second.facts == facts)
    return effects;
  auto& x = found->second;
  auto before = std::exchange(x.facts, facts);
  std::array<bool, conditions> is_again{};
  for (size_t c = 0; c < conditions; ++c)
    if (holds_at(c, facts) && x.last_run[c] != facts.run) {
      is_again[c] = !x.last_run[c].empty();
      x.last_run[c] = facts.run;
    }
  for (auto& name : names_of(id))
    change_group(
      name,
      [&](group& g) {
        for (size_t c = 0; c < conditions; ++c) {
          g.holding[c] += holds_at(c, facts);
          g.holding[c] -= holds_at(c, before);
          g.renewed[c] = g.renewed[c] || is_again[c];
        }
      },
      effects);
  return effects;
}

void dependency_graph::seed_run(const std::string& id, const std::string& run) {
  if (auto found = nodes_.find(id); found != nodes_.end())
    found->second.last_run.fill(run);
}

void dependency_graph::unlink(const std::string& id, node& x) {
  for (auto& [name, need] : x.needs) {
    groups_[name].dependents[index_of(need.condition)].erase(id);
    forget_if_unused(name);
  }
  x.needs.clear();
}

void dependency_graph::forget_if_unused(const std::string& name) {
  auto found = groups_.find(name);
  if (found == groups_.end() || !found->second.members.empty())
    return;
  auto& all = found->second.dependents;
  if (std::all_of(all.begin(), all.end(), [](auto& x) { return x.empty(); }))
    groups_.erase(found);
}

// -- looking ------------------------------------------------------------------

bool dependency_graph::is_met(const std::string& id) const {
  auto found = nodes_.find(id);
  return found == nodes_.end() || found->second.unmet == 0;
}

std::vector<unmet_need> dependency_graph::unmet(const std::string& id,
                                                size_t count_max) const {
  std::vector<unmet_need> result;
  for (auto& [name, need] : needs(id)) {
    auto& all = members(name);
    if (all.empty() && result.size() < count_max)
      result.push_back({name, {}, need.condition});
    for (auto& process : all) {
      if (result.size() >= count_max)
        return result;
      if (!holds(need.condition, nodes_.at(process).facts))
        result.push_back({name, process, need.condition});
    }
  }
  return result;
}

const dependency_graph::needs_map&
dependency_graph::needs(const std::string& id) const {
  static const needs_map none;
  auto found = nodes_.find(id);
  return found == nodes_.end() ? none : found->second.needs;
}

const std::set<std::string>&
dependency_graph::members(const std::string& name) const {
  static const std::set<std::string> none;
  auto found = groups_.find(name);
  return found == groups_.end() ? none : found->second.members;
}

std::vector<std::string>
dependency_graph::names_of(const std::string& id) const {
  std::vector<std::string> names{id};
  if (auto found = nodes_.find(id);
      found != nodes_.end() && !found->second.base.empty())
    names.push_back(found->second.base);
  return names;
}

std::vector<std::string>
dependency_graph::dependents(const std::string& id) const {
  std::vector<std::string> result;
  for (auto& name : names_of(id))
    if (auto found = groups_.find(name); found != groups_.end())
      for (auto& ids : found->second.dependents)
        result.insert(result.end(), ids.begin(), ids.end());
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::vector<std::string>
dependency_graph::stopped_with(const std::string& id) const {
  std::vector<std::string> result;
  std::set<std::string> seen{id};
  std::vector<std::string> open{id};
  while (!open.empty()) {
    auto names = names_of(open.back());
    auto all = dependents(open.back());
    open.pop_back();
    for (auto& x : all)
      for (auto& name : names)
        if (auto need = needs(x).find(name); need != needs(x).end()
                                             && need->second.stop
                                             && seen.insert(x).second) {
          result.push_back(x);
          open.push_back(x);
        }
  }
  return result;
}

// -- stopping -----------------------------------------------------------------

stop_order::stop_order(const dependency_graph& graph,
                       const std::vector<std::string>& ids) {
  for (auto& id : ids) {
    auto& x = members_[id];
    x.names = graph.names_of(id);
    for (auto& [name, need] : graph.needs(id))
      x.needs.push_back(name);
  }
  for (auto& [id, x] : members_) {
    for (auto& name : x.names)
      names_[name].members.push_back(id);
    for (auto& name : x.needs)
      ++names_[name].dependents;
  }
  for (auto& [id, x] : members_) {
    for (auto& name : x.names)
      x.blocked_by += names_[name].dependents > 0;
    if (x.blocked_by == 0)
      first_.push_back(id);
  }
  break_cycles();
}

// No check lets a cycle in; if there is one all the same, it must not hold up
// the end of the rest: its members are stopped at once.
void stop_order::break_cycles() {
  auto trial = *this;
  auto open = trial.first_;
  size_t reached = 0;
  while (!open.empty()) {
    auto id = std::move(open.back());
    open.pop_back();
    ++reached;
    for (auto& next : trial.free(id))
      open.push_back(next);
  }
  if (reached == members_.size())
    return;
  for (auto& [id, x] : trial.members_)
    if (!x.is_over) {
      members_[id].blocked_by = SIZE_MAX / 2; // is not freed a second time
      first_.push_back(id);
    }
}

std::vector<std::string> stop_order::free(const std::string& id) {
  std::vector<std::string> result;
  auto found = members_.find(id);
  if (found == members_.end() || std::exchange(found->second.is_over, true))
    return result;
  for (auto& name : found->second.needs) {
    auto& use = names_[name];
    if (--use.dependents > 0)
      continue;
    for (auto& next : use.members)
      if (--members_[next].blocked_by == 0)
        result.push_back(next);
  }
  return result;
}

std::vector<std::string> stop_order::ended(const std::string& id) {
  return free(id);
}

} // namespace pm
