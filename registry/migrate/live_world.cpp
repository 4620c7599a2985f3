#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include <pm/migration.hpp>

#include "runtime/os/proc.hpp"

namespace pm {

namespace {

struct status_words {
  int thread_group = 0;
  uint32_t uid = 0; // real
};

template <class T>
bool take_number(std::string_view text, std::string_view key, T& to) {
  auto at = text.find(key);
  if (at == std::string_view::npos)
    return false;
  text.remove_prefix(at + key.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return std::from_chars(text.data(), text.data() + text.size(), to).ec
         == std::errc{};
}

// Reads the part of /proc/PID/status that is needed here.
std::optional<status_words> read_status(int pid) {
  auto path = fmt::format("/proc/{}/status", pid);
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 4096> buffer;
  auto size = file ? ::read(file.get(), buffer.data(), buffer.size()) : -1;
  if (size <= 0)
    return std::nullopt;
  std::string_view text{buffer.data(), static_cast<size_t>(size)};
  // The first line is the program's name, in which the kernel escapes line
  // ends; so a key after a line end is the kernel's own.
  status_words x;
  if (!take_number(text, "\nTgid:", x.thread_group)
      || !take_number(text, "\nUid:", x.uid))
    return std::nullopt;
  return x;
}

std::chrono::nanoseconds read_clock(clockid_t which) {
  timespec x{};
  ::clock_gettime(which, &x);
  return std::chrono::seconds{x.tv_sec} + std::chrono::nanoseconds{x.tv_nsec};
}

// When the machine was booted, by the wall clock as it goes now.
std::chrono::nanoseconds boot_time() {
  return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
}

std::optional<live_process> find_process(int pid) {
  auto stat = read_process_stat(pid);
  if (!stat || stat->state == 'Z' || stat->state == 'X')
    return std::nullopt;
  auto status = read_status(pid);
  if (!status || status->thread_group != pid)
    return std::nullopt;
  // Read again: both files then are of one process.
  auto ticks = read_start_ticks(pid);
  if (!ticks || *ticks != stat->start_ticks)
    return std::nullopt;
  auto ticks_per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  auto since_boot = std::chrono::milliseconds{
    static_cast<int64_t>(stat->start_ticks * 1000 / ticks_per_second)};
  live_process x;
  x.started_at =
    timestamp{std::chrono::floor<milliseconds>(boot_time() + since_boot)};
  x.start_ticks = stat->start_ticks;
  x.uid = status->uid;
  return x;
}

} // namespace

expected<migration_world> live_world() {
  auto boot_id = read_boot_id();
  if (!boot_id)
    return tl::make_unexpected(boot_id.error());
  migration_world x;
  x.now =
    timestamp{std::chrono::floor<milliseconds>(read_clock(CLOCK_REALTIME))};
  x.uid = ::getuid();
  x.boot_id = std::move(*boot_id);
  x.find = find_process;
  return x;
}

} // namespace pm
