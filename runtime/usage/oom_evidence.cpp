#include "runtime/usage/oom_evidence.hpp"

#include <charconv>

#include <fmt/format.h>

namespace pm {

namespace {

// Calls `use` with each line until it returns true.
template <class F>
void for_each_line(std::string_view text, F use) {
  while (!text.empty()) {
    auto end = text.find('\n');
    if (use(text.substr(0, end)) || end == std::string_view::npos)
      return;
    text.remove_prefix(end + 1);
  }
}

std::string processes(uint64_t count) {
  return count == 1 ? std::string{"a process"}
                    : fmt::format("{} processes", count);
}

std::string suspicion(const oom_evidence& x) {
  if (!x.log_line.empty())
    return fmt::format("the OOM killer did it, by the kernel's log: {}",
                       x.log_line);
  if (x.group_kills > 0)
    return fmt::format("probably the OOM killer: it has ended {} in pm's "
                       "cgroup since the run began",
                       processes(x.group_kills));
  if (x.machine_kills > 0)
    return fmt::format("perhaps the OOM killer: it has ended {} on this "
                       "machine since the run began",
                       processes(x.machine_kills));
  return {};
}

} // namespace

std::string describe_oom(const oom_evidence& x) {
  auto text = suspicion(x);
  if (!text.empty() && x.stalled.value_or(0) > 0)
    text += fmt::format("; somebody waited for memory {:.1f}% of the last 10s",
                        *x.stalled);
  return text;
}

std::optional<uint64_t> counter_in(std::string_view text,
                                   std::string_view key) {
  std::optional<uint64_t> found;
  for_each_line(text, [&](std::string_view line) {
    if (line.size() <= key.size() || !line.starts_with(key)
        || line[key.size()] != ' ')
      return false;
    auto word = line.substr(key.size() + 1);
    uint64_t value = 0;
    if (std::from_chars(word.data(), word.data() + word.size(), value).ec
        == std::errc{})
      found = value;
    return true;
  });
  return found;
}

std::optional<double> stalled_in(std::string_view text) {
  std::optional<double> found;
  constexpr std::string_view start = "some avg10=";
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with(start))
      return false;
    auto word = line.substr(start.size());
    double value = 0;
    if (std::from_chars(word.data(), word.data() + word.size(), value).ec
        == std::errc{})
      found = value;
    return true;
  });
  return found;
}

// "6,1234,5678901,-;Out of memory: Killed process 42 (name) total-vm:..."
std::string_view oom_message(std::string_view record, int pid) {
  auto begin = record.find(';');
  if (begin == std::string_view::npos)
    return {};
  auto text = record.substr(begin + 1);
  text = text.substr(0, text.find('\n'));
  auto words = fmt::format("Killed process {} ", pid);
  auto is_oom = text.find("ut of memory") != std::string_view::npos;
  return is_oom && text.find(words) != std::string_view::npos
           ? text
           : std::string_view{};
}

std::vector<std::string> oom_files_of(std::string_view cgroups,
                                      std::string_view mount) {
  std::vector<std::string> files;
  for_each_line(cgroups, [&](std::string_view line) {
    auto first = line.find(':');
    auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos)
      return false;
    auto controllers = line.substr(first + 1, second - first - 1);
    auto path = line.substr(second + 1);
    if (line.starts_with("0::")) {
      files.push_back(fmt::format("{}{}/memory.events", mount, path));
      files.push_back(fmt::format("{}/unified{}/memory.events", mount, path));
    } else if (controllers == "memory") {
      files.push_back(
        fmt::format("{}/memory{}/memory.oom_control", mount, path));
    }
    return false;
  });
  return files;
}

} // namespace pm
