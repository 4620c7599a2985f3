#include <sys/epoll.h>

#include "apps/pm_keeper/node_link.hpp"

// How a link tells what it owes.

namespace pm::keeper {

int watch(int epoll, int fd, uint32_t events, uint64_t tag) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

// Stops reading until the node has taken what is on its way.
void node_link::block(bool retry) noexcept {
  blocked_ = true;
  retry_ = retry;
  epoll_event event{};
  if (!retry)
    event.events = EPOLLOUT;
  event.data.u64 = tag_node;
  ::epoll_ctl(state_.epoll, EPOLL_CTL_MOD, socket_.get(), &event);
}

// True if `frame` is on its way, or nobody would read it.
bool node_link::send(std::span<const std::byte> frame,
                     std::span<const int> fds) noexcept {
  if (mute_)
    return true;
  auto error = send_frame(socket_.get(), frame, fds);
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM
      || error == ETOOMANYREFS) {
    block(error != EAGAIN);
    return false;
  }
  // The end is found by reading, after all that the node had sent.
  if (error != 0)
    mute_ = true;
  return true;
}

bool node_link::send_bare(frame_type type) noexcept {
  std::array<std::byte, sizeof(frame_header)> frame;
  return send({frame.data(), encode_bare(frame, type)});
}

bool node_link::send_welcome() noexcept {
  welcome_body body;
  body.version = static_cast<uint16_t>(version_);
  body.keeper_pid = ::getpid();
  for (size_t i = 0; i < state_.table.end(); ++i) {
    auto& slot = state_.table.at(i);
    if (slot.used)
      ++(slot.outcome == outcome::live ? body.live_count : body.ended_count);
  }
  std::array<std::byte, 64> frame;
  return send({frame.data(), encode_welcome(frame, body)});
}

bool node_link::send_report(frame_type type, const report_body& body,
                            std::span<const int> fds) noexcept {
  std::array<std::byte, 128> frame;
  return send({frame.data(), encode_report(frame, type, body, version_)}, fds);
}

bool node_link::send_held(run_slot& slot) noexcept {
  std::array<int, 4> fds{};
  size_t count = 0;
  for (auto fd : {&slot.pidfd, &slot.stdout_r, &slot.stderr_r, &slot.stdin_w})
    if (*fd)
      fds[count++] = fd->get();
  return send_report(frame_type::held, slot.report(), {fds.data(), count});
}

bool node_link::send_owed(run_slot& slot) noexcept {
  if ((slot.owed & owed_spawned) != 0) {
    auto body = slot.report();
    auto type = frame_type::spawn_failed;
    if (slot.outcome != outcome::failed) {
      // As it was then; the end is told by the next frame.
      type = frame_type::spawned;
      body.outcome = outcome::live;
      body.ended_us = 0;
      body.value = 0;
    }
    std::array<int, 1> pidfd{slot.pidfd.get()};
    if (!send_report(type, body, {pidfd.data(), slot.pidfd ? 1u : 0u}))
      return false;
    slot.owed &= static_cast<uint8_t>(~owed_spawned);
  }
  if ((slot.owed & owed_holding) != 0) {
    std::array<std::byte, 64> frame;
    if (!send({frame.data(), encode_holding(frame, slot.run_id)}))
      return false;
    slot.owed &= static_cast<uint8_t>(~owed_holding);
  }
  if ((slot.owed & owed_exited) != 0) {
    if (!send_report(frame_type::exited, slot.report(), {}))
      return false;
    slot.owed &= static_cast<uint8_t>(~owed_exited);
  }
  return true;
}

void node_link::tell(run_slot& slot, uint8_t bits) noexcept {
  if (!attached() || mute_)
    return;
  // A row that is still to be sent will say it.
  if ((slot.owed & owed_held) != 0)
    return;
  slot.owed |= bits;
  if (phase_ != phase::open || blocked_ || !send_owed(slot))
    owing_ = true;
}

// Sends the next held rows, to the end of the batch or of the table.
void node_link::send_table() noexcept {
  for (; row_ < state_.table.end(); ++row_) {
    auto& slot = state_.table.at(row_);
    if ((slot.owed & owed_held) == 0)
      continue;
    if (batch_ == table_batch) {
      phase_ = phase::pause;
      return;
    }
    if (!send_held(slot))
      return;
    slot.owed &= static_cast<uint8_t>(~owed_held);
    ++batch_;
  }
  phase_ = phase::end;
}

void node_link::flush() noexcept {
  if (blocked_) {
    blocked_ = retry_ = false;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag_node;
    ::epoll_ctl(state_.epoll, EPOLL_CTL_MOD, socket_.get(), &event);
  }
  if (stash_size_ != 0) {
    if (!send({stash_.data(), stash_size_}))
      return;
    stash_size_ = 0;
  }
  if (phase_ == phase::welcome && send_welcome())
    phase_ = phase::table;
  if (phase_ == phase::table && !blocked_)
    send_table();
  if (phase_ == phase::pause && !blocked_ && send_bare(frame_type::table_pause))
    phase_ = phase::paused;
  if (phase_ == phase::end && !blocked_ && send_bare(frame_type::table_end))
    phase_ = phase::open;
  if (phase_ != phase::open || !owing_ || blocked_)
    return;
  for (size_t i = 0; i < state_.table.end(); ++i)
    if (state_.table.at(i).owed != 0 && !send_owed(state_.table.at(i)))
      return;
  owing_ = false;
}

} // namespace pm::keeper
