#include "apps/pm_keeper/keeper_home.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "runtime/keeper/protocol.hpp"

namespace pm::keeper {

namespace {

// A keeper that has nothing left, or is dying, leaves within this time of its
// lock's being asked for, so a new one need not fail.
constexpr int lock_tries = 200;
constexpr long lock_pause_ns = 5'000'000;

constexpr int backlog = 16;

} // namespace

const char* explain(const char* what, int error) noexcept {
  static std::array<char, 512> text;
  auto words = ::strerrordesc_np(error);
  std::snprintf(text.data(), text.size(), "%s: %s", what,
                words == nullptr ? "unknown error" : words);
  return text.data();
}

const char* keeper_home::take(const char* path, int lock,
                              int listener) noexcept {
  lock_.reset(lock);
  listener_.reset(listener);
  path_ = path;
  dir_.reset(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return dir_ ? nullptr : explain(path, errno);
}

const char* keeper_home::open(const char* path) noexcept {
  path_ = path;
  dir_.reset(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir_)
    return explain(path, errno);
  struct stat status {};
  if (::fstat(dir_.get(), &status) != 0)
    return explain(path, errno);
  if (status.st_uid != ::geteuid() || (status.st_mode & 022) != 0)
    return "the state directory must be ours, and nobody else may write to it";
  lock_.reset(::openat(dir_.get(), lock_name,
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock_)
    return explain(lock_name, errno);
  for (int i = 0; i < lock_tries; ++i) {
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0)
      return nullptr;
    if (errno != EWOULDBLOCK && errno != EINTR)
      return explain(lock_name, errno);
    timespec pause{0, lock_pause_ns};
    ::nanosleep(&pause, nullptr);
  }
  return "another keeper holds the state directory (keeper.pid names it)";
}

const char* keeper_home::write_pid() noexcept {
  unique_fd file{::openat(dir_.get(), pid_name,
                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                          0600)};
  if (!file)
    return explain(pid_name, errno);
  std::array<char, 16> text;
  auto size = std::snprintf(text.data(), text.size(), "%d\n", ::getpid());
  if (::write(file.get(), text.data(), static_cast<size_t>(size)) != size)
    return explain(pid_name, errno);
  return nullptr;
}

const char* keeper_home::listen() noexcept {
  listener_.reset(
    ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_)
    return explain("socket", errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Through the descriptor: a socket's path has 108 bytes, ours may be longer.
  std::snprintf(address.sun_path, sizeof(address.sun_path),
                "/proc/self/fd/%d/%s", dir_.get(), socket_name);
  // Whatever is there is stale: we hold the lock.
  ::unlinkat(dir_.get(), socket_name, 0);
  auto old_mask = ::umask(0177);
  auto bound = ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address),
                      sizeof(address));
  auto error = errno;
  ::umask(old_mask);
  if (bound != 0)
    return explain(socket_name, error);
  if (::listen(listener_.get(), backlog) != 0)
    return explain("listen", errno);
  return nullptr;
}

const char* keeper_home::announce() noexcept {
  if (auto bad = write_pid())
    return bad;
  return listen();
}

void keeper_home::leave() noexcept {
  ::unlinkat(dir_.get(), socket_name, 0);
  ::unlinkat(dir_.get(), pid_name, 0);
}

} // namespace pm::keeper
