#pragma once

#include <cerrno>
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

} // namespace pm
