#include "runtime/os/proc_environ.hpp"

#include <fcntl.h>

#include <fmt/format.h>

#include "runtime/os/unique_fd.hpp"

namespace pm {

std::optional<std::string> read_process_variable(int pid,
                                                 std::string_view name) {
  auto path = fmt::format("/proc/{}/environ", pid);
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  char part[4096];
  for (ssize_t n = 0; file && (n = ::read(file.get(), part, sizeof(part))) > 0;)
    text.append(part, static_cast<size_t>(n));
  std::string_view left{text};
  while (!left.empty()) {
    auto row = left.substr(0, left.find('\0'));
    if (row.size() > name.size() && row.starts_with(name)
        && row[name.size()] == '=')
      return std::string{row.substr(name.size() + 1)};
    left.remove_prefix(std::min(left.size(), row.size() + 1));
  }
  return std::nullopt;
}

} // namespace pm
