#include "apps/pm_node/self_program.hpp"

#include <filesystem>
#include <string_view>

#include <fmt/core.h>

namespace pm {

namespace {

constexpr std::string_view deleted = " (deleted)";

std::string read_self_link() {
  std::error_code ignored;
  return std::filesystem::read_symlink(self_link, ignored).string();
}

} // namespace

std::string program_path() {
  auto path = read_self_link();
  if (path.ends_with(deleted))
    path.resize(path.size() - deleted.size());
  return path;
}

bool is_replaced() {
  return read_self_link().ends_with(deleted);
}

std::string next_keeper(const std::string& binary, const std::string& chosen,
                        int keeper_pid) {
  auto path = chosen.empty()
                ? std::filesystem::path{binary}.replace_filename("pm-keeper")
                : std::filesystem::absolute(chosen);
  std::error_code none;
  auto same = std::filesystem::equivalent(
    path, fmt::format("/proc/{}/exe", keeper_pid), none);
  return same || !std::filesystem::exists(path, none) ? std::string{}
                                                      : path.string();
}

} // namespace pm
