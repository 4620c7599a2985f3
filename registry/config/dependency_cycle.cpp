#include <pm/dependency_cycle.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pm {

namespace {

// A name on the way down, and which of its needs is looked at.
struct step {
  const std::string* name = nullptr;
  size_t next = 0;
};

std::vector<std::string> loop_of(const std::vector<step>& way,
                                 const std::string& to) {
  std::vector<std::string> names;
  auto begin = std::find_if(way.begin(), way.end(),
                            [&](const step& x) { return *x.name == to; });
  for (; begin != way.end(); ++begin)
    names.push_back(*begin->name);
  names.push_back(to);
  return names;
}

} // namespace

std::vector<std::string> find_cycle(const needs_by_name& needs) {
  std::set<std::string> done;
  std::set<std::string> on_way;
  for (auto& [root, ignored] : needs) {
    std::vector<step> way; // no recursion: a chain may be long
    auto enter = [&](const std::string& name) {
      on_way.insert(name);
      way.push_back({&needs.find(name)->first});
    };
    if (!done.contains(root))
      enter(root);
    while (!way.empty()) {
      auto& here = way.back();
      auto& all = needs.at(*here.name);
      if (here.next == all.size()) {
        on_way.erase(*here.name);
        done.insert(*here.name);
        way.pop_back();
        continue;
      }
      auto& next = all[here.next++];
      if (on_way.contains(next))
        return loop_of(way, next);
      if (needs.contains(next) && !done.contains(next))
        enter(next);
    }
  }
  return {};
}

std::string cycle_text(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, " -> "));
}

std::string replica_base(const process_definition& x) {
  auto tail = fmt::format(".{}", x.spec.replica);
  return x.spec.replica > 0 && x.handle_id.ends_with(tail)
           ? x.handle_id.substr(0, x.handle_id.size() - tail.size())
           : std::string{};
}

needs_by_name needs_of(const std::vector<process_definition>& processes) {
  std::map<std::string, std::string> base_of;
  for (auto& x : processes)
    if (auto base = replica_base(x); !base.empty())
      base_of.emplace(x.handle_id, base);
  auto shared = [&](const std::string& name) {
    auto found = base_of.find(name);
    return found == base_of.end() ? name : found->second;
  };
  needs_by_name result;
  for (auto& x : processes) {
    auto& needs = result[shared(x.handle_id)];
    for (auto& [name, need] : x.spec.depends_on)
      if (auto to = shared(name);
          std::find(needs.begin(), needs.end(), to) == needs.end())
        needs.push_back(to);
  }
  return result;
}

} // namespace pm
