#include <pm/oom.hpp>

#include <array>
#include <chrono>
#include <fcntl.h>
#include <mutex>
#include <unistd.h>

#include "runtime/os/unique_fd.hpp"
#include "runtime/usage/oom_evidence.hpp"

namespace pm {

namespace {

// How old a count may be: a thousand starts read it a few times.
constexpr std::chrono::milliseconds mark_age_max{100};

// What is read of the kernel's log at most; its buffer is smaller, mostly.
constexpr int log_records_max = 100'000;

std::string read_text(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  std::array<char, 16'384> part;
  for (ssize_t n = 0;
       file && (n = ::read(file.get(), part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<size_t>(n));
  return text;
}

// The last record that names `pid`: it may have been taken before.
std::string kernel_log_of(int pid) {
  unique_fd log{::open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  std::string found;
  std::array<char, 8192> record;
  for (int i = 0; log && i < log_records_max; ++i) {
    auto size = ::read(log.get(), record.data(), record.size());
    if (size < 0 && errno == EPIPE)
      continue; // records were overwritten meanwhile
    if (size <= 0)
      break;
    auto text = oom_message({record.data(), static_cast<size_t>(size)}, pid);
    if (!text.empty())
      found = text.substr(0, 200);
  }
  return found;
}

uint64_t growth(const std::optional<uint64_t>& before,
                const std::optional<uint64_t>& after) {
  return before && after && *after > *before ? *after - *before : 0;
}

class kernel_witness : public oom_witness {
public:
  kernel_witness()
    : files_(oom_files_of(read_text("/proc/self/cgroup"), "/sys/fs/cgroup")) {}

  oom_mark mark() override {
    std::lock_guard lock{mutex_};
    auto now = std::chrono::steady_clock::now();
    if (now - read_at_ > mark_age_max) {
      last_ = read();
      read_at_ = std::chrono::steady_clock::now();
    }
    return last_;
  }

  std::string words(int pid, const oom_mark& before) override {
    auto after = read();
    oom_evidence x;
    x.group_kills = growth(before.group_kills, after.group_kills);
    x.machine_kills = growth(before.machine_kills, after.machine_kills);
    if (x.group_kills > 0 || x.machine_kills > 0)
      x.log_line = kernel_log_of(pid);
    x.stalled = stalled_in(read_text("/proc/pressure/memory"));
    return describe_oom(x);
  }

private:
  oom_mark read() const {
    oom_mark result;
    result.machine_kills = counter_in(read_text("/proc/vmstat"), "oom_kill");
    for (auto& file : files_)
      if (auto count = counter_in(read_text(file), "oom_kill")) {
        result.group_kills = count;
        break;
      }
    return result;
  }

  std::vector<std::string> files_;
  std::mutex mutex_;
  oom_mark last_;
  std::chrono::steady_clock::time_point read_at_{};
};

} // namespace

std::unique_ptr<oom_witness> make_oom_witness() {
  return std::make_unique<kernel_witness>();
}

} // namespace pm
