#include "apps/pm_keeper/log_pump.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include "apps/pm_keeper/node_link.hpp"

namespace pm::keeper {

namespace {

// Bytes that one pipe may move before the others have their turn.
constexpr size_t turn_max = 256u << 10;

unique_fd& output_of(run_slot& slot, unsigned which) noexcept {
  return which == 0 ? slot.stdout_r : slot.stderr_r;
}

} // namespace

void log_pump::start(int epoll) noexcept {
  running_ = true;
  for (size_t i = 0; i < table_.end(); ++i) {
    auto& slot = table_.at(i);
    if (!slot.used || !slot.log)
      continue;
    for (unsigned which = 0; which < 2; ++which) {
      auto& pipe = output_of(slot, which);
      if (!pipe)
        continue;
      // The node has done so already, unless it died before.
      ::fcntl(pipe.get(), F_SETFL, O_NONBLOCK);
      // What cannot be watched waits in its pipe.
      if (watch(epoll, pipe.get(), EPOLLIN, tag_pipe + 2 * i + which) == 0)
        slot.pumped |= static_cast<uint8_t>(1u << which);
    }
  }
}

void log_pump::stop(int epoll) noexcept {
  if (!running_)
    return;
  running_ = false;
  for (size_t i = 0; i < table_.end(); ++i)
    release(epoll, table_.at(i));
  logs_.close_all();
}

void log_pump::release(int epoll, run_slot& slot) noexcept {
  for (unsigned which = 0; which < 2; ++which)
    if ((slot.pumped & (1u << which)) != 0)
      ::epoll_ctl(epoll, EPOLL_CTL_DEL, output_of(slot, which).get(), nullptr);
  slot.pumped = 0;
}

void log_pump::on_pipe(int epoll, size_t index, unsigned which) noexcept {
  auto& slot = table_.at(index);
  auto bit = 1u << which;
  if ((slot.pumped & bit) == 0)
    return; // of an earlier time
  auto& pipe = output_of(slot, which);
  log_mark from{slot.run_id, static_cast<uint8_t>(which)};
  auto taken = logs_.take(*slot.log, pipe.get(), from, turn_max);
  slot.moved_bytes += taken.moved;
  slot.dropped_bytes += taken.dropped;
  if (!taken.at_end)
    return;
  // The descriptor stays: the table names both outputs of every run.
  ::epoll_ctl(epoll, EPOLL_CTL_DEL, pipe.get(), nullptr);
  slot.pumped &= static_cast<uint8_t>(~bit);
}

} // namespace pm::keeper
