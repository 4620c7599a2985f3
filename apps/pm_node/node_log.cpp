#include "apps/pm_node/node_log.hpp"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pm/units.hpp>

namespace pm {

namespace {

constexpr off_t node_log_max = 10 << 20;

constexpr std::string_view names[] = {"debug", "info", "warning", "error"};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return; // a log that cannot be written must not stop the node
    text.remove_prefix(static_cast<size_t>(n));
  }
}

} // namespace

expected<node_log> node_log::open(const std::string& state_dir,
                                  log_level stderr_level) {
  auto path = state_dir + "/node.log";
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && info.st_size > node_log_max)
    ::rename(path.c_str(), (path + ".1").c_str());
  node_log log;
  log.stderr_level_ = stderr_level;
  log.file_ = unique_fd{
    ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
           0600)};
  if (!log.file_)
    return fail_errno(errno, path);
  return log;
}

void node_log::line(log_level level, std::string_view text) {
  auto now = std::chrono::time_point_cast<milliseconds>(
    std::chrono::system_clock::now());
  auto row = fmt::format("{} {} {}", format_timestamp(now),
                         names[static_cast<size_t>(level)], text);
  for (auto& c : row)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  row += '\n';
  write_all(file_.get(), row);
  if (level >= stderr_level_)
    write_all(STDERR_FILENO, row);
}

} // namespace pm
