#include "actors/own_program.hpp"

#include <algorithm>
#include <string_view>
#include <unistd.h>

extern char** environ;

namespace pm {

namespace {

// What names one run is not for the children of another.
constexpr std::string_view own_variables[] = {
  "PM_HANDLE_ID", "PM_RUN_ID",     "PM_CORRELATION_ID", "PM_SOCKET",
  "PM_REPLICA",   "NOTIFY_SOCKET", "PM_WORKER",         "WATCHDOG_USEC",
  "WATCHDOG_PID", "PM_HOOK",       "PM_MAIN_PID",       "PM_SIDE_RUN",
};

} // namespace

std::map<std::string, std::string> inherited_environment() {
  std::map<std::string, std::string> result;
  for (auto** x = environ; x != nullptr && *x != nullptr; ++x) {
    std::string_view row{*x};
    auto equals = row.find('=');
    if (equals != std::string_view::npos)
      result.emplace(row.substr(0, equals), row.substr(equals + 1));
  }
  for (auto name : own_variables)
    result.erase(std::string{name});
  return result;
}

std::string current_directory() {
  std::string path(4096, '\0');
  return ::getcwd(path.data(), path.size()) == nullptr ? "/" : path.c_str();
}

std::string own_program() {
  std::string path(4096, '\0');
  auto size = ::readlink("/proc/self/exe", path.data(), path.size());
  path.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
  // A new build may have come in its place.
  constexpr std::string_view deleted = " (deleted)";
  if (path.ends_with(deleted))
    path.resize(path.size() - deleted.size());
  return path;
}

std::string sibling(const std::string& program, std::string_view name) {
  auto beside = program.substr(0, program.rfind('/') + 1).append(name);
  return ::access(beside.c_str(), X_OK) == 0 ? beside : std::string{name};
}

} // namespace pm
