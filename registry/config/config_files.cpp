#include "registry/config/config_files.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/config/config_node.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm::config {

namespace {

// Who besides root may write what `x` describes; empty if nobody.
std::string other_writer(const struct stat& x) {
  if (x.st_uid != 0)
    return fmt::format("it belongs to user {}", x.st_uid);
  if ((x.st_mode & S_IWOTH) != 0)
    return "anybody can write it";
  if ((x.st_mode & S_IWGRP) != 0 && x.st_gid != 0)
    return fmt::format("group {} can write it", x.st_gid);
  return {};
}

std::string distrust_dir(const std::string& dir) {
  struct stat x {};
  if (::stat(dir.c_str(), &x) != 0)
    return {}; // the file was opened through it: it is not there any more
  // In a sticky directory nobody replaces a file of root's.
  if ((x.st_mode & S_ISVTX) != 0 && x.st_uid == 0)
    return {};
  auto why = other_writer(x);
  return why.empty() ? why : fmt::format("its directory {}: {}", dir, why);
}

expected<std::string> read_all(int file) {
  std::string text;
  char buffer[64 << 10];
  for (;;) {
    auto n = ::read(file, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail_errno(errno, "read");
    if (n == 0)
      return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > file_bytes_max)
      return fail(ec::bad_config, "larger than 16 MiB");
  }
}

} // namespace

std::string join_path(const std::string& dir, std::string_view name) {
  auto joined = (std::filesystem::path{dir} / name).lexically_normal().string();
  while (joined.size() > 1 && joined.back() == '/')
    joined.pop_back();
  return joined;
}

std::string dir_of(const std::string& file) {
  auto dir = std::filesystem::path{file}.parent_path().string();
  return dir.empty() ? "." : dir;
}

std::string distrust(int file, const std::string& path) {
  struct stat x {};
  if (::fstat(file, &x) != 0)
    return "it cannot be examined";
  if (auto why = other_writer(x); !why.empty())
    return why;
  if (auto why = distrust_dir(dir_of(path)); !why.empty())
    return why;
  // Behind a symbolic link there is a second directory.
  std::unique_ptr<char, decltype(&std::free)> target{
    ::realpath(path.c_str(), nullptr), &std::free};
  return target ? distrust_dir(dir_of(target.get())) : std::string{};
}

const source& file_store::add_text(std::string shown, std::string dir,
                                   std::string text) {
  return sources_.emplace_back(std::move(shown), std::move(dir),
                               std::move(text), sources_.size());
}

expected<read_file> file_store::read(const std::string& path,
                                     const std::string& shown) {
  if (auto known = known_.find(path); known != known_.end())
    return known->second;
  // O_NONBLOCK: a FIFO must not stop us.
  unique_fd file{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file)
    return fail(ec::bad_config, "{}", std::strerror(errno));
  struct stat x {};
  if (::fstat(file.get(), &x) != 0)
    return fail(ec::bad_config, "{}", std::strerror(errno));
  if (!S_ISREG(x.st_mode))
    return fail(ec::bad_config, "not a regular file");
  if (::geteuid() == 0)
    if (auto why = distrust(file.get(), path); !why.empty())
      return fail(ec::bad_config,
                  "refused, since root would run what others write: {}", why);
  auto text = read_all(file.get());
  if (!text)
    return tl::make_unexpected(std::move(text.error()));
  paths_.push_back(path);
  auto& added = add_text(shown, dir_of(path), std::move(*text));
  return known_[path] = read_file{&added, x.st_dev, x.st_ino};
}

} // namespace pm::config
