#include "runtime/os/proc.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtime/os/pidfd_exit.hpp"

namespace pm {

namespace {

// Newer than Debian 12's headers.
constexpr unsigned signal_process_group = 1u << 2;

expected<std::string> read_small_file(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file)
    return fail_errno(errno, path);
  // One page is what the kernel gives at once for the files read here.
  std::array<char, 4096> buffer;
  auto size = ::read(file.get(), buffer.data(), buffer.size());
  if (size < 0)
    return fail_errno(errno, path);
  return std::string{buffer.data(), static_cast<size_t>(size)};
}

// Fields 3 to 24 of /proc/PID/stat, which stand behind the name.
using stat_fields = std::array<std::string_view, 22>;

std::optional<stat_fields> split_stat(std::string_view text) {
  stat_fields fields;
  for (auto& field : fields) {
    auto space = text.find(' ');
    field = text.substr(0, space);
    if (field.empty())
      return std::nullopt;
    text.remove_prefix(std::min(text.size(), field.size() + 1));
  }
  return fields;
}

int pidfd_signal(int pidfd, int signal, unsigned flags) {
  auto result = ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, flags);
  return result == 0 ? 0 : errno;
}

exit_status exit_of_status(int status) {
  exit_status result;
  if (WIFSIGNALED(status)) {
    result.reason = exit_reason::signaled;
    result.signal = WTERMSIG(status);
  } else {
    result.reason = exit_reason::exited;
    result.code = WEXITSTATUS(status);
  }
  return result;
}

expected<void> signal_outcome(int error, int signal) {
  switch (error) {
  case 0:
    return {};
  case ESRCH:
    return fail(ec::not_running, "signal {}: nobody is left", signal);
  case EPERM:
    return fail(ec::not_permitted, "signal {}: not permitted", signal);
  default:
    return fail_errno(error, fmt::format("signal {}", signal));
  }
}

} // namespace

expected<std::string> read_boot_id() {
  auto text = read_small_file("/proc/sys/kernel/random/boot_id");
  if (text)
    text->erase(text->find_last_not_of('\n') + 1);
  return text;
}

expected<process_stat> read_process_stat(int pid) {
  auto text = read_small_file(fmt::format("/proc/{}/stat", pid));
  if (!text) {
    unique_fd proc{::open("/proc/self/stat", O_RDONLY | O_CLOEXEC)};
    if (!proc)
      return tl::make_unexpected(text.error());
    return fail(ec::not_running, "pid {}: no such process", pid);
  }
  auto stat = parse_process_stat(pid, *text);
  if (!stat)
    return fail(ec::not_running, "pid {}: no such process", pid);
  return std::move(*stat);
}

std::optional<process_stat> parse_process_stat(int pid, std::string_view text) {
  // The program's name may contain anything, so fields count from the last
  // parenthesis; the first word behind it is field 3.
  auto open = text.find('(');
  auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos
      || close < open || close + 2 >= text.size())
    return std::nullopt;
  auto fields = split_stat(text.substr(close + 2));
  if (!fields)
    return std::nullopt;
  static const auto ticks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  auto field = [&]<class T>(T result, size_t number) {
    auto word = (*fields)[number - 3];
    std::from_chars(word.data(), word.data() + word.size(), result);
    return result;
  };
  auto time = [&](size_t number) {
    auto used = field(uint64_t{}, number) + field(uint64_t{}, number + 1);
    return std::chrono::microseconds{used * 1'000'000 / ticks};
  };
  process_stat result;
  result.pid = pid;
  result.name = text.substr(open + 1, close - open - 1);
  result.state = (*fields)[0].front();
  result.parent_pid = field(int{}, 4);
  result.group_id = field(int{}, 5);
  result.session_id = field(int{}, 6);
  result.cpu = time(14);
  result.children_cpu = time(16);
  result.threads = field(int{}, 20);
  result.start_ticks = field(uint64_t{}, 22);
  result.rss_bytes = field(uint64_t{}, 24) * page;
  return result;
}

expected<uint64_t> read_start_ticks(int pid) {
  return read_process_stat(pid).map(
    [](const process_stat& x) { return x.start_ticks; });
}

expected<unique_fd> open_pidfd(int pid) {
  auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd >= 0)
    return beyond_stdio(fd);
  if (errno == ESRCH || errno == EINVAL)
    return fail(ec::not_running, "pid {}: no such process", pid);
  return fail_errno(errno, fmt::format("pidfd_open {}", pid));
}

expected<unique_fd> open_pidfd(int pid, uint64_t start_ticks) {
  auto result = open_pidfd(pid);
  if (!result)
    return result;
  // Read after the open: what it says then holds for what the pidfd names.
  auto ticks = read_start_ticks(pid);
  if (!ticks)
    return tl::make_unexpected(ticks.error());
  if (*ticks != start_ticks)
    return fail(ec::not_running, "pid {} is another process now", pid);
  return result;
}

expected<void> send_signal(int pidfd, int signal) {
  return signal_outcome(pidfd_signal(pidfd, signal, 0), signal);
}

expected<void> send_group_signal(int pidfd, int pid, int signal) {
  auto error = pidfd_signal(pidfd, signal, signal_process_group);
  if (error != EINVAL)
    return signal_outcome(error, signal);
  // Also EINVAL: no such signal.
  if (auto alive = pidfd_signal(pidfd, 0, 0); alive != 0)
    return signal_outcome(alive, signal);
  // The leader has not been reaped, so its number cannot mean another group.
  return signal_outcome(::kill(-pid, signal) == 0 ? 0 : errno, signal);
}

bool has_ended(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

std::optional<exit_status> exit_of_ended(int pid, int pidfd) {
  if (auto known = wait_status_of_reaped(pidfd))
    return exit_of_status(*known);
  auto text = read_small_file(fmt::format("/proc/{}/stat", pid));
  auto behind = text ? text->rfind(')') : std::string::npos;
  if (behind == std::string::npos || text->compare(behind, 3, ") Z") != 0)
    return std::nullopt;
  auto word = std::string_view{*text}.substr(text->find_last_of(' ') + 1);
  int status = 0;
  std::from_chars(word.data(), word.data() + word.size(), status);
  // As long as it can be asked, the pid is no other's.
  if (status == 0 || pidfd_signal(pidfd, 0, 0) != 0)
    return std::nullopt;
  return exit_of_status(status);
}

} // namespace pm
