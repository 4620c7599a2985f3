#include "runtime/os/cgroup.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/os/path_number.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

namespace {

namespace fs = std::filesystem;

constexpr auto kept_in = "/cgroup"; // of the state directory

struct mount_row {
  std::string path;
  std::string options; // of the file system
};

// Where cgroup2 is: field 5 of proc(5)'s mountinfo; type and options follow
// the dash.
std::optional<mount_row> find_mount() {
  std::ifstream in{"/proc/self/mountinfo"};
  for (std::string line; std::getline(in, line);) {
    std::istringstream words{line};
    mount_row row;
    std::string word;
    for (int i = 0; i < 4; ++i)
      words >> word;
    words >> row.path;
    while (words >> word && word != "-") {
    }
    std::string type;
    words >> type >> word >> row.options;
    if (type == "cgroup2")
      return row;
  }
  return std::nullopt;
}

// The group that this process is in, from the mount on: "/user.slice/x".
std::string own_group() {
  std::ifstream in{"/proc/self/cgroup"};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("0::"))
      return line.size() == 4 ? std::string{} : line.substr(3);
  return {};
}

std::string kept_home(const std::string& state_dir) {
  std::ifstream in{state_dir + kept_in};
  std::string home;
  std::getline(in, home);
  return home;
}

bool write_word(const std::string& path, std::string_view word) {
  std::ofstream out{path};
  out << word << std::flush;
  return out.good();
}

} // namespace

bool cgroups_are_cheap() {
  auto mount = find_mount();
  return mount && mount->options.find("favordynmods") != std::string::npos;
}

bool has_cgroup_home(const std::string& state_dir) {
  auto home = kept_home(state_dir);
  return !home.empty() && is_cgroup(home);
}

expected<std::string> make_cgroup_home(const std::string& state_dir) {
  auto home = kept_home(state_dir);
  if (home.empty() || !is_cgroup(home)) {
    auto mount = find_mount();
    if (!mount)
      return fail(ec::system_failed, "cgroups: no cgroup2 is mounted");
    home = mount->path + own_group()
           + fmt::format("/pm-{:016x}", path_number(state_dir));
  }
  if (auto made = make_cgroup(home); !made)
    return tl::make_unexpected(made.error());
  if (!fs::exists(home + "/cgroup.kill"))
    return fail(ec::system_failed,
                "cgroups: {} has no cgroup.kill, which needs Linux 5.14", home);
  auto probe = home + "/probe"; // whether groups can be made in it
  if (auto made = make_cgroup(probe); !made)
    return tl::make_unexpected(made.error());
  std::error_code none;
  for (auto& entry : fs::directory_iterator{home, none})
    if (entry.is_directory(none))
      remove_cgroup(entry.path().string());
  if (!write_word(state_dir + kept_in, home))
    return fail(ec::system_failed, "cgroups: {}{} cannot be written", state_dir,
                kept_in);
  return home;
}

expected<void> make_cgroup(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST)
    return {};
  return fail_errno(errno, "cgroups: " + path);
}

void remove_cgroup(const std::string& path) noexcept {
  ::rmdir(path.c_str());
}

bool is_cgroup(const std::string& path) noexcept {
  return ::access((path + "/cgroup.procs").c_str(), F_OK) == 0;
}

bool is_in(int pid, const std::string& path) {
  std::ifstream in{fmt::format("/proc/{}/cgroup", pid)};
  auto name = fs::path{path}.filename().string();
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("0::") && line.find("/" + name) != line.npos)
      return true;
  return false;
}

bool is_populated(const std::string& path) {
  std::ifstream in{path + "/cgroup.events"};
  std::string name;
  for (int value = 0; in >> name >> value;)
    if (name == "populated")
      return value != 0;
  return false;
}

void signal_cgroup(const std::string& path, int number) {
  if (number == SIGKILL && write_word(path + "/cgroup.kill", "1"))
    return;
  std::ifstream in{path + "/cgroup.procs"};
  for (int pid = 0; in >> pid;)
    // Asked after the pid is held: it may be another's since it was read.
    if (auto pidfd = open_pidfd(pid); pidfd && is_in(pid, path))
      (void)send_signal(pidfd->get(), number); // gone meanwhile is fine
}

} // namespace pm
