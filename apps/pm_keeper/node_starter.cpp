#include "apps/pm_keeper/node_starter.hpp"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <sys/epoll.h>

#include "apps/pm_keeper/handover.hpp"
#include "apps/pm_keeper/node_link.hpp"

namespace pm::keeper {

void node_starter::learn(std::span<const std::byte> body,
                         std::array<unique_fd, 3> stdio) noexcept {
  std::free(body_);
  body_ = static_cast<std::byte*>(std::malloc(body.size()));
  size_ = body_ == nullptr ? 0 : body.size();
  if (body_ != nullptr)
    std::memcpy(body_, body.data(), size_);
  stdio_ = std::move(stdio);
}

std::byte* node_starter::command_space(size_t size) noexcept {
  body_ = size == 0 ? nullptr : static_cast<std::byte*>(std::malloc(size));
  size_ = body_ == nullptr ? 0 : size;
  return body_;
}

void node_starter::leave(handover_head& to) const noexcept {
  to.command_size = static_cast<uint32_t>(size_);
  for (size_t i = 0; i < stdio_.size(); ++i)
    to.stdio[i] = stdio_[i].get();
  to.started = started_.get();
  to.started_pid = started_pid_;
  to.was_ready = was_ready_ ? 1 : 0;
  to.due_ms = due_ms_;
  to.pause_ms = pause_ms_;
}

void node_starter::take(const handover_head& from, int epoll,
                        uint64_t tag) noexcept {
  for (size_t i = 0; i < stdio_.size(); ++i)
    stdio_[i].reset(from.stdio[i]);
  epoll_ = epoll;
  started_.reset(from.started);
  if (started_)
    watch(epoll, started_.get(), EPOLLIN, tag);
  started_pid_ = from.started_pid;
  was_ready_ = from.was_ready != 0;
  due_ms_ = from.due_ms;
  pause_ms_ = from.pause_ms;
}

void node_starter::forget() noexcept {
  std::free(body_);
  body_ = nullptr;
  size_ = 0;
  for (auto& fd : stdio_)
    fd.reset();
  due_ms_ = -1;
}

void node_starter::node_is_here(int pid) noexcept {
  due_ms_ = -1;
  if (started_)
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, started_.get(), nullptr);
  started_.reset();
  if (pid != started_pid_) {
    forget();
    pause_ms_ = pause_min_ms;
  }
  was_ready_ = false;
}

void node_starter::arm() noexcept {
  due_ms_ = now_ms() + pause_ms_;
  pause_ms_ = std::min(2 * pause_ms_, pause_max_ms);
}

void node_starter::node_has_died() noexcept {
  if (body_ == nullptr)
    return;
  if (was_ready_)
    pause_ms_ = pause_min_ms;
  arm();
  if (was_ready_)
    due_ms_ = now_ms();
  was_ready_ = false;
}

int node_starter::timeout_ms() const noexcept {
  if (due_ms_ < 0)
    return -1;
  auto left = due_ms_ - now_ms();
  return static_cast<int>(std::clamp(left, int64_t{0}, int64_t{INT_MAX}));
}

void node_starter::start_if_due(int epoll, uint64_t tag) noexcept {
  if (due_ms_ < 0 || now_ms() < due_ms_)
    return;
  due_ms_ = -1;
  auto view = decode_spawn_body({body_, size_});
  run_slot node;
  if (view)
    children_.spawn_node(*view, stdio_, node);
  if (!view || node.outcome != outcome::live)
    return arm();
  started_pid_ = node.pid;
  epoll_ = epoll;
  started_ = std::move(node.pidfd);
  watch(epoll, started_.get(), EPOLLIN, tag);
}

void node_starter::on_start_failed(int epoll) noexcept {
  if (!started_)
    return;
  ::epoll_ctl(epoll, EPOLL_CTL_DEL, started_.get(), nullptr);
  started_.reset();
  if (body_ != nullptr)
    arm();
}

} // namespace pm::keeper
