#include "runtime/os/process_table.hpp"

#include <algorithm>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>

namespace pm {

namespace {

using directory = std::unique_ptr<DIR, int (*)(DIR*)>;

directory open_directory(const char* path) {
  return {::opendir(path), &::closedir};
}

} // namespace

std::vector<process_stat> read_process_table() {
  std::vector<process_stat> table;
  auto all = open_directory("/proc");
  if (!all)
    return table;
  auto at = ::dirfd(all.get());
  char buffer[4096];
  while (auto* entry = ::readdir(all.get())) {
    std::string_view name{entry->d_name};
    int pid = 0;
    auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size())
      continue;
    auto path = fmt::format("{}/stat", name);
    unique_fd file{::openat(at, path.c_str(), O_RDONLY | O_CLOEXEC)};
    auto size = file ? ::read(file.get(), buffer, sizeof(buffer)) : -1;
    if (size <= 0)
      continue; // it ended just now
    if (auto stat =
          parse_process_stat(pid, {buffer, static_cast<size_t>(size)}))
      table.push_back(std::move(*stat));
  }
  std::sort(table.begin(), table.end(),
            [](auto& x, auto& y) { return x.pid < y.pid; });
  return table;
}

std::optional<int> count_descriptors(int pid) {
  auto path = fmt::format("/proc/{}/fd", pid);
  // Since Linux 6.2 the size says it; before, it is 0.
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0)
    return std::nullopt;
  if (about.st_size > 0)
    return static_cast<int>(about.st_size);
  auto all = open_directory(path.c_str());
  if (!all)
    return std::nullopt;
  int count = 0;
  while (auto* entry = ::readdir(all.get()))
    count += entry->d_name[0] != '.';
  return count;
}

} // namespace pm
