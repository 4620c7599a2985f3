#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <sys/ioctl.h>

namespace pm {

// What PIDFD_GET_INFO fills in; newer than Debian 12's headers.
struct pidfd_info { // PIDFD_INFO_SIZE_VER0
  uint64_t mask = 0;
  uint64_t cgroup_id = 0;
  uint32_t pid = 0;
  uint32_t tgid = 0;
  uint32_t ppid = 0;
  std::array<uint32_t, 8> ids{};
  int32_t exit_code = 0;
};
static_assert(sizeof(pidfd_info) == 64);

// Asks the kernel for the wait status of the reaped process of `pidfd` (Linux
// 6.15 or later). None while it is unknown: not ended, not yet reaped, or an
// older kernel. For node and keeper.
inline std::optional<int> wait_status_of_reaped(int pidfd) noexcept {
  constexpr unsigned long get_info = _IOWR(0xFF, 11, pidfd_info);
  constexpr uint64_t exit_known = 1u << 3;
  pidfd_info answer;
  answer.mask = exit_known;
  if (::ioctl(pidfd, get_info, &answer) != 0 || (answer.mask & exit_known) == 0)
    return std::nullopt;
  return answer.exit_code;
}

} // namespace pm
