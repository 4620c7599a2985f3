#include "runtime/os/cgroup.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/os/cgroup_file.hpp"
#include "runtime/os/path_number.hpp"
#include "runtime/os/proc.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm {

namespace {

namespace fs = std::filesystem;

constexpr auto kept_in = "/cgroup"; // of the state directory

constexpr const char* delegation_marks[] = {"trusted.delegate",
                                            "user.delegate"};

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

// systemd marks what it leaves to a service; with its DelegateSubgroup= that is
// the group above the one that the service is in.
bool is_delegated(const std::string& group) {
  char mark = '0';
  return std::any_of(std::begin(delegation_marks), std::end(delegation_marks),
                     [&](const char* name) {
                       return ::getxattr(group.c_str(), name, &mark, 1) == 1
                              && mark == '1';
                     });
}

// Where a node's home is made. A group that has processes cannot hand
// controllers down, hence beside its own one where that is permitted.
std::string base_group(const mount_row& mount) {
  auto own = mount.path + own_group();
  auto above = fs::path{own}.parent_path().string();
  return own != mount.path && is_delegated(above) ? above : own;
}

} // namespace

bool write_group_file(const std::string& path, std::string_view word) {
  unique_fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  return file
         && ::write(file.get(), word.data(), word.size())
              == static_cast<ssize_t>(word.size());
}

uint64_t read_group_count(const std::string& path, std::string_view name) {
  std::ifstream in{path};
  std::string key;
  for (uint64_t value = 0; in >> key >> value;)
    if (key == name)
      return value;
  return 0;
}

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
    home =
      fmt::format("{}/pm-{:016x}", base_group(*mount), path_number(state_dir));
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
  std::ofstream kept{state_dir + kept_in};
  if (!(kept << home << std::flush))
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
  return read_group_count(path + "/cgroup.events", "populated") != 0;
}

void signal_cgroup(const std::string& path, int number) {
  if (number == SIGKILL && write_group_file(path + "/cgroup.kill", "1"))
    return;
  std::ifstream in{path + "/cgroup.procs"};
  for (int pid = 0; in >> pid;)
    // Asked after the pid is held: it may be another's since it was read.
    if (auto pidfd = open_pidfd(pid); pidfd && is_in(pid, path))
      (void)send_signal(pidfd->get(), number); // gone meanwhile is fine
}

} // namespace pm
