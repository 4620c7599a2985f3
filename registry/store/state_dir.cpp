#include <pm/state_dir.hpp>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "runtime/os/unique_fd.hpp"

namespace pm {

namespace {

std::string environment_value(const char* name) {
  auto* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A daemon may have been started without HOME.
std::string home_directory() {
  if (auto home = environment_value("HOME"); !home.empty())
    return home;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> texts{};
  ::getpwuid_r(::geteuid(), &entry, texts.data(), texts.size(), &found);
  return found != nullptr ? found->pw_dir : "";
}

tl::unexpected<error> directory_error(int number, const std::string& path) {
  return fail(ec::storage_failed, "state directory {}: {}", path,
              std::generic_category().message(number));
}

// Makes `path` and its parents, all 0700; what exists stays as it is.
expected<void> make_directories(const std::string& path) {
  for (size_t slash = 1; slash != std::string::npos;) {
    slash = path.find('/', slash);
    auto part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      return directory_error(errno, part);
    if (slash != std::string::npos)
      ++slash;
  }
  return {};
}

expected<void> check_owner(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return directory_error(errno, path);
  if (!S_ISDIR(info.st_mode))
    return directory_error(ENOTDIR, path);
  if (info.st_uid != ::geteuid())
    return fail(ec::not_permitted,
                "state directory {}: it belongs to uid {}, and this program "
                "runs as uid {}",
                path, info.st_uid, ::geteuid());
  if ((info.st_mode & 022) != 0)
    return fail(ec::not_permitted,
                "state directory {}: others may write to it (mode {:03o}); "
                "'chmod 700' it first",
                path, info.st_mode & 0777);
  return {};
}

std::string read_pid(const std::string& path) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 32> text{};
  auto n = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
  std::string pid{text.data(), n > 0 ? static_cast<size_t>(n) : 0};
  pid.erase(pid.find_last_not_of(" \n") + 1);
  return pid.empty() ? "unknown" : pid;
}

expected<void> write_pid(const std::string& path) {
  auto fd = beyond_stdio(::open(
    path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  auto text = fmt::format("{}\n", ::getpid());
  if (!fd || ::write(fd.get(), text.data(), text.size()) < 0)
    return directory_error(errno, path);
  return {};
}

} // namespace

std::string resolve_state_dir(const std::string& option) {
  auto path = option;
  if (path.empty())
    path = environment_value("PM_STATE_DIR");
  if (path.empty())
    if (auto base = environment_value("XDG_STATE_HOME"); !base.empty())
      path = base + "/pm";
  if (path.empty())
    path = home_directory() + "/.local/state/pm";
  std::error_code ignored;
  auto absolute = std::filesystem::absolute(path, ignored).lexically_normal();
  auto result = ignored ? path : absolute.string();
  while (result.size() > 1 && result.back() == '/')
    result.pop_back();
  return result;
}

expected<state_dir> state_dir::open(const std::string& path) {
  if (auto ok = make_directories(path); !ok)
    return tl::make_unexpected(ok.error());
  if (auto ok = check_owner(path); !ok)
    return tl::make_unexpected(ok.error());
  return state_dir{path};
}

state_dir::state_dir(state_dir&& other) noexcept
  : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

state_dir::~state_dir() {
  if (lock_ < 0)
    return;
  ::unlink((path_ + "/node.pid").c_str());
  // A copy that a fork of this program has must not hold it on.
  struct flock whole {};
  whole.l_type = F_UNLCK;
  whole.l_whence = SEEK_SET;
  ::fcntl(lock_, F_OFD_SETLK, &whole);
  ::close(lock_);
}

expected<void> state_dir::lock_node() {
  auto file = path_ + "/node.lock";
  auto fd = beyond_stdio(
    ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd)
    return directory_error(errno, file);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  // Of the open file, not of the process: another node in one program counts.
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES)
      return directory_error(errno, file);
    return fail(ec::locked,
                "state directory {}: another node holds it (pid {}); stop that "
                "one, or choose another directory",
                path_, read_pid(path_ + "/node.pid"));
  }
  lock_ = fd.release();
  return write_pid(path_ + "/node.pid");
}

} // namespace pm
