#include "runtime/os/cgroup_limits.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "runtime/os/cgroup_file.hpp"

namespace pm {

namespace {

// The time over which cpu.max is reckoned, in microseconds: the kernel's own
// default; and the least that it takes of it.
constexpr long cpu_period_us = 100'000;
constexpr long cpu_quota_us_min = 1'000;

bool has_word(const std::string& path, const std::string& word) {
  std::ifstream in{path};
  for (std::string x; in >> x;)
    if (x == word)
      return true;
  return false;
}

bool hands_down(const std::string& group, const std::string& controller) {
  auto file = group + "/cgroup.subtree_control";
  return has_word(file, controller)
         || (has_word(group + "/cgroup.controllers", controller)
             && write_group_file(file, "+" + controller));
}

} // namespace

std::string hand_down_controllers(const std::string& home) {
  auto above = std::filesystem::path{home}.parent_path().string();
  std::string missing;
  for (std::string controller : {"memory", "cpu"}) {
    if (hands_down(above, controller) && hands_down(home, controller))
      continue;
    missing += missing.empty() ? "" : ", ";
    missing += controller;
    missing += has_word(above + "/cgroup.controllers", controller)
                 ? " (kept back: the group above has processes of its own, or "
                   "is not ours)"
                 : " (not there)";
  }
  return missing.empty() ? missing
                         : fmt::format("cgroups: {} lacks the controllers {}",
                                       above, missing);
}

held_limits limit_cgroup(const std::string& path, const run_limits& limits) {
  held_limits held;
  auto bytes = limits.memory_bytes;
  held.memory = write_group_file(path + "/memory.max",
                                 bytes ? fmt::to_string(*bytes) : "max")
                && bytes;
  if (held.memory) {
    // A group that swaps instead of ending would stay above the limit.
    write_group_file(path + "/memory.swap.max", "0");
    write_group_file(path + "/memory.oom.group", "1");
  }
  auto quota = std::string{"max"};
  if (limits.cores)
    quota = fmt::to_string(std::max(
      cpu_quota_us_min, static_cast<long>(*limits.cores * cpu_period_us)));
  held.cpu = write_group_file(path + "/cpu.max",
                              fmt::format("{} {}", quota, cpu_period_us))
             && limits.cores;
  return held;
}

uint64_t oom_kills_in(const std::string& path) {
  return read_group_count(path + "/memory.events", "oom_kill");
}

} // namespace pm
