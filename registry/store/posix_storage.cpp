#include <pm/storage.hpp>

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "runtime/os/unique_fd.hpp"

namespace pm {

namespace {

tl::unexpected<error> storage_error(int number, std::string_view what) {
  return fail(ec::storage_failed, "{}: {}", what,
              std::generic_category().message(number));
}

class posix_file : public storage_file {
public:
  posix_file(unique_fd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)) {}

  expected<void> append(std::string_view bytes) override {
    while (!bytes.empty()) {
      auto n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return storage_error(errno, path_);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  expected<void> sync() override {
    if (::fdatasync(fd_.get()) != 0)
      return storage_error(errno, path_ + ": sync");
    return {};
  }

  expected<void> truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      return storage_error(errno, path_ + ": truncate");
    return {};
  }

private:
  unique_fd fd_;
  std::string path_;
};

class posix_storage : public storage {
public:
  posix_storage(unique_fd directory, std::string path)
    : directory_(std::move(directory)), path_(std::move(path)) {}

  expected<std::shared_ptr<storage_file>> open(const std::string& name,
                                               open_mode mode) override {
    auto flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW
                 | (mode == open_mode::replace ? O_TRUNC : 0);
    auto fd =
      beyond_stdio(::openat(directory_.get(), name.c_str(), flags, 0600));
    if (!fd)
      return storage_error(errno, full(name));
    return std::make_shared<posix_file>(std::move(fd), full(name));
  }

  expected<std::optional<std::string>> read(const std::string& name) override {
    unique_fd fd{::openat(directory_.get(), name.c_str(),
                          O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!fd && errno == ENOENT)
      return std::nullopt;
    if (!fd)
      return storage_error(errno, full(name));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0)
      return storage_error(errno, full(name));
    if (!S_ISREG(info.st_mode))
      return storage_error(EINVAL, full(name) + ": not a regular file");
    // One byte more than there is, so that the end shows without growing.
    std::string text(static_cast<size_t>(info.st_size) + 1, '\0');
    for (size_t size = 0;;) {
      auto n = ::read(fd.get(), text.data() + size, text.size() - size);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return storage_error(errno, full(name));
      size += static_cast<size_t>(n);
      if (n == 0) {
        text.resize(size);
        return text;
      }
      if (size == text.size())
        text.resize(size * 2);
    }
  }

  expected<void> rename(const std::string& from,
                        const std::string& to) override {
    if (::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str())
        != 0)
      return storage_error(errno, full(to));
    return {};
  }

  expected<void> remove(const std::string& name) override {
    if (::unlinkat(directory_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
      return storage_error(errno, full(name));
    return {};
  }

  expected<std::vector<std::string>> list() override {
    std::vector<std::string> names;
    unique_fd copy{
      ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    auto* stream = copy ? ::fdopendir(copy.get()) : nullptr;
    if (stream == nullptr)
      return storage_error(errno, path_);
    [[maybe_unused]] auto owned_by_stream = copy.release();
    while (auto* entry = ::readdir(stream))
      if (std::string name = entry->d_name; name != "." && name != "..")
        names.push_back(std::move(name));
    ::closedir(stream);
    return names;
  }

  expected<void> sync_directory() override {
    if (::fsync(directory_.get()) != 0)
      return storage_error(errno, path_ + ": sync");
    return {};
  }

  timestamp now() override {
    return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  }

private:
  std::string full(const std::string& name) const { return path_ + "/" + name; }

  unique_fd directory_;
  std::string path_;
};

} // namespace

expected<std::shared_ptr<storage>> open_storage(const std::string& path) {
  auto fd =
    beyond_stdio(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd)
    return storage_error(errno, path);
  return std::make_shared<posix_storage>(std::move(fd), path);
}

} // namespace pm
