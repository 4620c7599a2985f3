#pragma once

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace pm {

// Owns one file descriptor and closes it at its end. -1 means none.
class unique_fd {
public:
  unique_fd() = default;

  // Takes ownership of `fd`.
  explicit unique_fd(int fd) noexcept : fd_(fd) {}

  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}

  unique_fd& operator=(unique_fd&& other) noexcept {
    reset(other.release());
    return *this;
  }

  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }

  explicit operator bool() const noexcept { return fd_ >= 0; }

  // Gives the descriptor away; the caller closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  // Closes what is owned and takes `fd`. Keeps errno.
  void reset(int fd = -1) noexcept {
    auto old = std::exchange(fd_, fd);
    if (old >= 0 && old != fd) {
      auto saved = errno;
      ::close(old);
      errno = saved;
    }
  }

private:
  int fd_ = -1;
};

// Takes ownership of `fd`, and moves it out of 0 to 2: these are a program's
// standard streams, also where it has closed them, and what somebody prints
// must not come into our files. Keeps errno.
inline unique_fd beyond_stdio(int fd) noexcept {
  unique_fd given{fd};
  if (fd < 0 || fd > STDERR_FILENO)
    return given;
  return unique_fd{::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
}

} // namespace pm
