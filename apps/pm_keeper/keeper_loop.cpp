#include "apps/pm_keeper/keeper_loop.hpp"

#include <array>
#include <csignal>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace pm::keeper {

namespace {

// Orphans are looked for once the exits have been served: one walk over all
// children for many of them.
constexpr int orphans_pause_ms = 20;
constexpr int orphans_rounds_max = 64;

constexpr int retry_pause_ms = 10;

} // namespace

const char* keeper_loop::open() noexcept {
  if (!state_.table.open())
    return "no memory";
  if (auto error = state_.children.open(); error != 0)
    return explain("spawner", error);
  if (auto error = state_.journal.open(home_.dir()); error != 0)
    return explain(runs_name, error);
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_)
    return explain("epoll", errno);
  state_.epoll = epoll_.get();
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGTERM);
  signals_.reset(::signalfd(-1, &heard, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_)
    return explain("signalfd", errno);
  // Descendants of runs that lose their parent come to us.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (auto error = watch(state_.epoll, signals_.get(), EPOLLIN, tag_signals);
      error != 0)
    return explain("epoll", error);
  return nullptr;
}

int keeper_loop::timeout_ms() const noexcept {
  if (link_.wants_retry())
    return retry_pause_ms;
  return orphans_due_ ? orphans_pause_ms : -1;
}

int keeper_loop::run() noexcept {
  std::array<epoll_event, 64> events;
  for (;;) {
    listen_if_alone();
    pump_if_alone();
    if (leave_if_empty())
      return 0;
    auto count = ::epoll_wait(state_.epoll, events.data(),
                              static_cast<int>(events.size()), timeout_ms());
    for (int i = 0; i < count; ++i)
      on_event(events[static_cast<size_t>(i)].data.u64,
               events[static_cast<size_t>(i)].events);
    if (link_.wants_retry() && link_.attached())
      link_.flush();
    if (orphans_due_ && (count == 0 || ++rounds_ == orphans_rounds_max))
      reap_orphans();
  }
}

void keeper_loop::on_event(uint64_t tag, uint32_t events) noexcept {
  if (tag >= tag_pipe)
    pump_.on_pipe(state_.epoll, (tag - tag_pipe) / 2, (tag - tag_pipe) % 2);
  else if (tag >= tag_run)
    on_run(tag - tag_run);
  else if (tag == tag_signals)
    on_signals();
  else if (tag == tag_listener)
    accept_node();
  else if (tag == tag_peer)
    link_.on_peer_death();
  else if (tag == tag_node && link_.attached()) // else let go in this round
    link_.on_socket(events);
}

void keeper_loop::on_run(size_t index) noexcept {
  auto& slot = state_.table.at(index);
  if (!slot.used || slot.outcome != outcome::live)
    return;
  auto id = static_cast<id_t>(slot.pidfd.get());
  siginfo_t ended{};
  // Looked at, written down, and only then reaped.
  if (::waitid(P_PIDFD, id, &ended, WEXITED | WNOHANG | WNOWAIT) != 0
      || ended.si_pid == 0)
    return;
  slot.ended_us = now_us();
  slot.value = ended.si_status;
  slot.outcome =
    ended.si_code == CLD_EXITED ? outcome::exited : outcome::signaled;
  if (ended.si_code == CLD_DUMPED)
    slot.flags |= report_core_dumped;
  state_.journal.add_exit(slot);
  ::waitid(P_PIDFD, id, &ended, WEXITED | WNOHANG);
  // The node shares the pidfd's open file, so a close alone would leave it in
  // the poll set for ever.
  ::epoll_ctl(state_.epoll, EPOLL_CTL_DEL, slot.pidfd.get(), nullptr);
  slot.pidfd.reset();
  slot.stdin_w.reset();
  slot.flags &= static_cast<uint8_t>(~report_stdin_pipe);
  // Told after the reaping: then the run's group no longer counts a zombie.
  link_.tell(slot, owed_exited);
}

void keeper_loop::on_signals() noexcept {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
    if (signal.ssi_signo == SIGTERM) {
      told_to_end_ = true;
    } else if (!orphans_due_) {
      orphans_due_ = true;
      rounds_ = 0;
    }
  }
}

void keeper_loop::reap_orphans() noexcept {
  orphans_due_ = false;
  for (;;) {
    siginfo_t ended{};
    if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0
        || ended.si_pid == 0)
      return;
    if (auto slot = state_.table.find_pid(ended.si_pid))
      on_run(state_.table.index_of(*slot));
    else
      ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended,
               WEXITED | WNOHANG);
  }
}

void keeper_loop::accept_node() noexcept {
  unique_fd socket{::accept4(home_.listener(), nullptr, nullptr,
                             SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!socket)
    return;
  // Whoever comes may be the next to move the output.
  pump_.stop(state_.epoll);
  if (!link_.attach(std::move(socket)))
    return;
  had_node_ = true;
  ::epoll_ctl(state_.epoll, EPOLL_CTL_DEL, home_.listener(), nullptr);
  listening_ = false;
}

// The next node waits in the backlog until the one before is gone.
void keeper_loop::listen_if_alone() noexcept {
  if (link_.attached() || listening_)
    return;
  listening_ =
    watch(state_.epoll, home_.listener(), EPOLLIN, tag_listener) == 0;
}

void keeper_loop::pump_if_alone() noexcept {
  if (link_.is_node_dead() && !pump_.is_running())
    pump_.start(state_.epoll);
}

bool keeper_loop::leave_if_empty() noexcept {
  if (link_.attached() || state_.table.used_count() != 0
      || (!had_node_ && !told_to_end_))
    return false;
  home_.leave();
  // Somebody may have connected before the name was gone.
  accept_node();
  if (!link_.attached())
    return true;
  if (home_.announce() != nullptr)
    return true;
  listening_ = false;
  return false;
}

} // namespace pm::keeper
