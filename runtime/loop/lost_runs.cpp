#include "runtime/loop/lost_runs.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/os/proc.hpp"

namespace pm {

namespace {

constexpr long pidfd_getfd = 438;

// True if it was recorded since the machine was started: a start time counts
// from there.
bool is_of_this_boot(timestamp at) {
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  return at
         >= std::chrono::system_clock::now() - std::chrono::seconds{up.tv_sec};
}

std::string fd_path(int pid, int fd) {
  return fmt::format("/proc/{}/fd/{}", pid, fd);
}

bool is_pipe(int pid, int fd) {
  std::error_code none;
  auto target = std::filesystem::read_symlink(fd_path(pid, fd), none);
  return target.native().starts_with("pipe:");
}

bool is_read_end(int pid, int fd) {
  std::ifstream in{fmt::format("/proc/{}/fdinfo/{}", pid, fd)};
  std::string word;
  while (in >> word)
    if (word == "flags:") {
      unsigned flags = 0;
      in >> std::oct >> flags;
      return (flags & O_ACCMODE) == O_RDONLY;
    }
  return false;
}

// The number that the child holds its spare read end of stdout at; stderr's is
// the next one. They are the highest pair of read ends side by side.
std::optional<int> find_spare_ends(int pid) {
  std::vector<int> numbers;
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator{
         fmt::format("/proc/{}/fd", pid), none})
    numbers.push_back(std::atoi(entry.path().filename().c_str()));
  std::sort(numbers.rbegin(), numbers.rend());
  for (size_t i = 1; i < numbers.size(); ++i) {
    auto low = numbers[i];
    if (low > 2 && numbers[i - 1] == low + 1 && is_pipe(pid, low)
        && is_pipe(pid, low + 1) && is_read_end(pid, low)
        && is_read_end(pid, low + 1))
      return low;
  }
  return std::nullopt;
}

// Opens the read end of the pipe that the process has at `fd`, whichever end
// that is.
unique_fd open_read_end(int pid, int pidfd, int fd) {
  if (!is_pipe(pid, fd))
    return {};
  if (is_read_end(pid, fd)) {
    unique_fd same{static_cast<int>(::syscall(pidfd_getfd, pidfd, fd, 0))};
    if (same)
      return same;
  }
  return unique_fd{
    ::open(fd_path(pid, fd).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
}

// What we have spawned leads a session for good. Start times count in 10 ms:
// this tells a stranger that got the pid within the same ones.
bool leads_session(int pid) {
  auto stat = read_process_stat(pid);
  return stat && stat->session_id == pid;
}

// A live process as `held` would tell it: pidfd, stdout, stderr.
std::optional<held_row> take_over(keeper::run_report report,
                                  bool with_pipes = true) {
  auto pidfd = open_pidfd(report.pid, report.start_ticks);
  if (!pidfd || (with_pipes && !leads_session(report.pid)))
    return std::nullopt;
  std::optional<int> spare;
  unique_fd out;
  unique_fd err;
  if (with_pipes) {
    spare = find_spare_ends(report.pid);
    out = open_read_end(report.pid, pidfd->get(), spare.value_or(1));
    err = open_read_end(report.pid, pidfd->get(), spare ? *spare + 1 : 2);
  }
  // What was found by its number is that of this process only if it has not
  // been reaped meanwhile.
  if (!send_signal(pidfd->get(), 0))
    return std::nullopt;
  report.occasion = keeper::frame_type::held;
  report.outcome = keeper::outcome::live;
  report.has_stdout = static_cast<bool>(out);
  report.has_stderr = static_cast<bool>(err);
  report.is_protected = spare.has_value();
  held_row result{std::move(report), {}, {}, true};
  auto add = [&](unique_fd fd) {
    if (fd)
      result.fds.fds[result.fds.count++] = std::move(fd);
  };
  add(std::move(*pidfd));
  add(std::move(out));
  add(std::move(err));
  return result;
}

} // namespace

std::optional<held_row> find_lost_run(const recorded_run& what,
                                      const keeper::keeper_files& files,
                                      const std::string& boot_id) {
  if (auto ended = files.exited(what.run_id))
    return held_row{std::move(*ended), {}, {}, true};
  auto begun = files.spawned(what.run_id);
  if (what.identity.pid != 0) {
    if (what.identity.boot_id != boot_id)
      return std::nullopt;
    keeper::run_report report = begun.value_or(keeper::run_report{});
    report.run_id = what.run_id;
    report.pid = what.identity.pid;
    report.start_ticks = what.identity.start_ticks;
    return take_over(std::move(report), !what.foreign);
  }
  if (!begun || !is_of_this_boot(begun->spawned_at))
    return std::nullopt;
  if (auto alive = take_over(*begun))
    return alive;
  // It began, and nobody knows more.
  begun->outcome = keeper::outcome::lost;
  begun->ended_at = begun->spawned_at;
  return held_row{std::move(*begun), {}, {}, true};
}

} // namespace pm
