#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <pm/log_reader.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

namespace {

using clock = std::chrono::steady_clock;

// How often the sizes are looked at while no event comes: older kernels tell
// nothing of spliced bytes.
constexpr milliseconds look_interval{250};

std::string directory_of(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

} // namespace

struct log_waiter::impl {
  struct file {
    std::string path;
    ino_t inode = 0;
    int64_t size = -1; // none: counts as changed once
    int watch = -1;
  };

  unique_fd inotify;
  std::vector<file> files;

  void watch_file(file& x);
  void drain();
  bool has_changed();
};

// Watches what is at the path now, if anything.
void log_waiter::impl::watch_file(file& x) {
  x.watch = ::inotify_add_watch(inotify.get(), x.path.c_str(), IN_MODIFY);
}

void log_waiter::impl::drain() {
  alignas(inotify_event) char buffer[4096];
  while (::read(inotify.get(), buffer, sizeof(buffer)) > 0) {
    // What has happened is found by looking at the files.
  }
}

bool log_waiter::impl::has_changed() {
  auto result = false;
  for (auto& x : files) {
    struct stat status {};
    auto is_there = ::stat(x.path.c_str(), &status) == 0;
    auto inode = is_there ? status.st_ino : 0;
    auto size = is_there ? static_cast<int64_t>(status.st_size) : 0;
    if (inode == x.inode && size == x.size)
      continue;
    if (inode != x.inode && is_there)
      watch_file(x);
    x.inode = inode;
    x.size = size;
    result = true;
  }
  return result;
}

log_waiter::log_waiter(std::unique_ptr<impl> owned) noexcept
  : impl_(std::move(owned)) {}

log_waiter::log_waiter(log_waiter&&) noexcept = default;

log_waiter& log_waiter::operator=(log_waiter&&) noexcept = default;

log_waiter::~log_waiter() = default;

expected<log_waiter> log_waiter::make() {
  auto x = std::make_unique<impl>();
  x->inotify.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!x->inotify)
    return fail_errno(errno, "inotify");
  return log_waiter{std::move(x)};
}

expected<void> log_waiter::add(const std::string& path) {
  auto directory = directory_of(path);
  if (::inotify_add_watch(impl_->inotify.get(), directory.c_str(),
                          IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
      < 0)
    return fail_errno(errno, "watch " + directory);
  impl_->files.push_back({path, 0, -1, -1});
  impl_->watch_file(impl_->files.back());
  return {};
}

bool log_waiter::wait(std::optional<milliseconds> timeout) {
  auto due = clock::now() + timeout.value_or(milliseconds{0});
  for (;;) {
    impl_->drain();
    if (impl_->has_changed())
      return true;
    auto slice = look_interval;
    if (timeout) {
      auto rest = std::chrono::ceil<milliseconds>(due - clock::now());
      if (rest.count() <= 0)
        return false;
      slice = std::min(slice, rest);
    }
    pollfd wanted{impl_->inotify.get(), POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(slice.count())) < 0)
      return false;
  }
}

int log_waiter::fd() const noexcept {
  return impl_->inotify.get();
}

} // namespace pm
