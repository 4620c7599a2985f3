#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "apps/pm_keeper/node_link.hpp"

// How a link serves a spawn.

namespace pm::keeper {

namespace {

// The content of a sealed memfd, mapped.
class mapped_body {
public:
  explicit mapped_body(int fd) noexcept {
    constexpr auto needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    auto seals = ::fcntl(fd, F_GET_SEALS);
    struct stat status {};
    if (seals < 0 || (seals & needed) != needed || ::fstat(fd, &status) != 0
        || status.st_size <= 0
        || static_cast<uint64_t>(status.st_size) > spawn_body_max)
      return;
    auto size = static_cast<size_t>(status.st_size);
    auto at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at != MAP_FAILED)
      bytes_ = {static_cast<const std::byte*>(at), size};
  }

  ~mapped_body() {
    if (!bytes_.empty())
      ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  mapped_body(const mapped_body&) = delete;
  mapped_body& operator=(const mapped_body&) = delete;

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
  std::span<const std::byte> bytes_;
};

// The body of a spawn or respawn, in the frame or in a memfd.
struct spawn_content {
  spawn_content(const frame_header& head, std::span<const std::byte> frame,
                frame_fds& fds) noexcept
    : memfd((head.flags & body_in_memfd) != 0 ? fds.take(0) : unique_fd{}),
      mapped(memfd.get()),
      bytes(memfd ? mapped.bytes() : frame.subspan(sizeof(frame_header))),
      first_fd(memfd ? 1 : 0),
      view(decode_spawn_body(bytes)) {
    if ((head.flags & body_in_memfd) != 0 && !memfd)
      view.reset();
    memfd.reset();
  }

  unique_fd memfd;
  mapped_body mapped;
  std::span<const std::byte> bytes;
  size_t first_fd = 0;
  std::optional<spawn_view> view;
};

// Ends a run that cannot be watched, as if it had never begun.
void undo(run_slot& slot, int error) noexcept {
  ::syscall(SYS_pidfd_send_signal, slot.pidfd.get(), SIGKILL, nullptr, 0);
  siginfo_t ended{};
  ::waitid(P_PID, static_cast<id_t>(slot.pid), &ended, WEXITED);
  fail_slot(slot, spawn_stage::keeper, error);
}

} // namespace

int64_t now_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1'000'000;
}

int64_t now_us() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * int64_t{1'000'000} + now.tv_nsec / 1000;
}

void node_link::on_spawn(const frame_header& head,
                         std::span<const std::byte> frame) noexcept {
  spawn_content content{head, frame, fds_};
  if (!content.view)
    return refuse(refusal::protocol_violation,
                  "a malformed or unsealed spawn body");
  spawn(*content.view, content.first_fd);
}

void node_link::on_respawn(const frame_header& head,
                           std::span<const std::byte> frame) noexcept {
  spawn_content content{head, frame, fds_};
  if (!content.view || fds_.lost || fds_.count != content.first_fd + 3)
    return refuse(refusal::protocol_violation, "a malformed respawn");
  std::array<unique_fd, 3> stdio;
  for (size_t i = 0; i < stdio.size(); ++i)
    stdio[i] = fds_.take(content.first_fd + i);
  state_.starter.learn(content.bytes, std::move(stdio));
}

// Takes over a run that another keeper has spawned.
void node_link::on_hold(std::span<const std::byte> frame) noexcept {
  auto view = decode_hold(frame);
  if (!view)
    return refuse(refusal::protocol_violation, "a malformed hold");
  auto flags = view->body.flags;
  auto slot = state_.table.find(view->body.run_id);
  if (slot != nullptr)
    return tell(*slot, owed_holding);
  slot = fds_.lost ? nullptr : state_.table.add(view->body.run_id);
  if (slot == nullptr) { // no place for it: the node keeps it alone
    stash_size_ = encode_holding(stash_, view->body.run_id);
    return flush();
  }
  size_t next = 0;
  slot->pidfd = fds_.take(next++);
  if ((flags & report_no_stdout) == 0)
    slot->stdout_r = fds_.take(next++);
  if ((flags & report_no_stderr) == 0)
    slot->stderr_r = fds_.take(next++);
  if ((flags & report_stdin_pipe) != 0)
    slot->stdin_w = fds_.take(next++);
  slot->pid = view->body.pid;
  slot->start_ticks = view->body.start_ticks;
  slot->spawned_us = view->body.spawned_us;
  slot->flags = static_cast<uint8_t>(flags);
  slot->is_foreign = true;
  slot->log = state_.logs.at(view->log_path);
  if (next != fds_.count
      || watch(state_.epoll, slot->pidfd.get(), EPOLLIN,
               tag_run + state_.table.index_of(*slot))
           != 0) {
    state_.table.remove(*slot);
    return refuse(refusal::protocol_violation, "a hold with wrong descriptors");
  }
  state_.journal.add_run(*slot);
  tell(*slot, owed_holding);
}

void node_link::spawn(const spawn_view& view, size_t first_pipe) noexcept {
  auto& table = state_.table;
  if (auto known = table.find(view.body.run_id)) {
    uint8_t ended =
      known->outcome == outcome::live || known->outcome == outcome::failed
        ? 0
        : owed_exited;
    return tell(*known, owed_spawned | ended);
  }
  bool piped = (view.body.flags & spawn_stdin_pipe) != 0;
  auto pipes = fds_.count - std::min(fds_.count, first_pipe);
  if (!fds_.lost && pipes != (piped ? 6u : 4u))
    return refuse(refusal::protocol_violation,
                  "a spawn with a wrong number of pipes");
  auto slot = table.add(view.body.run_id);
  if (slot == nullptr) {
    run_slot none;
    none.run_id = view.body.run_id;
    none.spawned_us = now_us();
    fail_slot(none, spawn_stage::keeper, ENOSPC);
    auto report = none.report();
    stash_size_ =
      encode_report(stash_, frame_type::spawn_failed, report, version_);
    return flush();
  }
  if (fds_.lost) {
    slot->spawned_us = now_us();
    fail_slot(*slot, spawn_stage::keeper, EMFILE);
    return tell(*slot, owed_spawned);
  }
  state_.children.spawn(view, fds_, first_pipe, now_us(), *slot);
  slot->log = state_.logs.at(log_path_of(view));
  // Also a child that could not exec has recorded itself.
  state_.journal.run_recorded();
  // The child has its ends; ours are closed before anybody hears of it.
  fds_.clear();
  if (slot->outcome == outcome::live) {
    auto error = watch(state_.epoll, slot->pidfd.get(), EPOLLIN,
                       tag_run + table.index_of(*slot));
    if (error != 0)
      undo(*slot, error);
  }
  tell(*slot, owed_spawned);
}

} // namespace pm::keeper
