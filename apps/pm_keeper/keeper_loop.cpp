#include "apps/pm_keeper/keeper_loop.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "runtime/os/pidfd_exit.hpp"

namespace pm::keeper {

namespace {

// Orphans are looked for once the exits have been served: one walk over all
// children for many of them.
constexpr int orphans_pause_ms = 20;
constexpr int orphans_rounds_max = 64;

constexpr int retry_pause_ms = 10;

// How often the end of a foreign run is looked at that its parent has not
// reaped, and for how long.
constexpr int foreign_pause_ms = 100;
constexpr int64_t foreign_limit_ms = 3000;

// Who has started this keeper comes within this time, or has died meanwhile.
constexpr int first_node_limit_ms = 5000;

} // namespace

const char* keeper_loop::open(uint64_t nofile_soft) noexcept {
  if (!state_.table.open())
    return "no memory";
  if (auto error = state_.children.open(nofile_soft); error != 0)
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

const char* keeper_loop::take(int memory, const handover_head& head) noexcept {
  had_node_ = true;
  orphans_due_ = true; // whoever has ended meanwhile
  return take_handover(memory, head, state_, link_);
}

// Once nobody is connected: the next one finds the next program.
void keeper_loop::become_next_program() noexcept {
  if (state_.next_program[0] == 0 || link_.attached())
    return;
  pump_.stop(state_.epoll);
  hand_over(state_, home_, link_, state_.next_program.data());
  state_.next_program[0] = 0;
}

int keeper_loop::timeout_ms() const noexcept {
  if (link_.wants_retry())
    return retry_pause_ms;
  auto result = state_.starter.timeout_ms();
  auto at_most = [&](bool due, int limit) {
    if (due)
      result = result < 0 ? limit : std::min(result, limit);
  };
  at_most(orphans_due_, orphans_pause_ms);
  at_most(unreaped_ != 0, foreign_pause_ms);
  at_most(!had_node_, first_node_limit_ms);
  return result;
}

int keeper_loop::run() noexcept {
  born_ms_ = now_ms();
  std::array<epoll_event, 64> events;
  for (;;) {
    become_next_program();
    listen_if_alone();
    look_at_foreign_runs();
    bring_back_node();
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
    on_run(tag - tag_run, events);
  else if (tag == tag_signals)
    on_signals();
  else if (tag == tag_listener)
    accept_node();
  else if (tag == tag_started)
    state_.starter.on_start_failed(state_.epoll);
  else if (tag == tag_peer)
    link_.on_peer_death();
  else if (tag == tag_node && link_.attached()) // else let go in this round
    link_.on_socket(events);
}

void keeper_loop::on_run(size_t index, uint32_t events) noexcept {
  auto& slot = state_.table.at(index);
  if (!slot.used || slot.outcome != outcome::live)
    return;
  if (slot.is_foreign)
    return on_foreign_run(slot, events);
  auto id = static_cast<id_t>(slot.pidfd.get());
  siginfo_t ended{};
  // Looked at, written down, and only then reaped.
  if (::waitid(P_PIDFD, id, &ended, WEXITED | WNOHANG | WNOWAIT) != 0
      || ended.si_pid == 0)
    return;
  if (ended.si_code == CLD_DUMPED)
    slot.flags |= report_core_dumped;
  end_run(slot,
          ended.si_code == CLD_EXITED ? outcome::exited : outcome::signaled,
          ended.si_status);
}

// Writes the end down, reaps, and tells.
void keeper_loop::end_run(run_slot& slot, outcome how, int value) noexcept {
  slot.ended_us = now_us();
  slot.value = value;
  slot.outcome = how;
  state_.journal.add_exit(slot);
  siginfo_t ended{};
  if (!slot.is_foreign)
    ::waitid(P_PIDFD, static_cast<id_t>(slot.pidfd.get()), &ended,
             WEXITED | WNOHANG);
  // The node shares the pidfd's open file, so a close alone would leave it in
  // the poll set for ever.
  ::epoll_ctl(state_.epoll, EPOLL_CTL_DEL, slot.pidfd.get(), nullptr);
  slot.pidfd.reset();
  slot.stdin_w.reset();
  slot.flags &= static_cast<uint8_t>(~report_stdin_pipe);
  if (slot.is_acknowledged) {
    pump_.release(state_.epoll, slot);
    state_.table.remove(slot);
    return state_.journal.tidy(state_.table);
  }
  // Told after the reaping: then the run's group no longer counts a zombie.
  link_.tell(slot, owed_exited);
}

// Its new parent reaps it; only after that the kernel tells how it ended.
void keeper_loop::on_foreign_run(run_slot& slot, uint32_t events) noexcept {
  auto first = slot.end_seen_ms == 0;
  auto status = wait_status_of_reaped(slot.pidfd.get());
  auto is_reaped = (events & EPOLLHUP) != 0;
  auto is_late = !first && now_ms() - slot.end_seen_ms > foreign_limit_ms;
  if (!status && !is_reaped && !is_late) {
    if (!first)
      return;
    slot.end_seen_ms = now_ms();
    ++unreaped_;
    epoll_event hang_up_only{};
    hang_up_only.data.u64 = tag_run + state_.table.index_of(slot);
    ::epoll_ctl(state_.epoll, EPOLL_CTL_MOD, slot.pidfd.get(), &hang_up_only);
    return;
  }
  if (!first)
    --unreaped_;
  if (!status)
    end_run(slot, outcome::lost, 0);
  else if (WIFSIGNALED(*status))
    end_run(slot, outcome::signaled, WTERMSIG(*status));
  else
    end_run(slot, outcome::exited, WEXITSTATUS(*status));
}

void keeper_loop::look_at_foreign_runs() noexcept {
  for (size_t i = 0; unreaped_ != 0 && i < state_.table.end(); ++i) {
    auto& slot = state_.table.at(i);
    if (slot.used && slot.outcome == outcome::live && slot.end_seen_ms != 0)
      on_foreign_run(slot, 0);
  }
}

void keeper_loop::on_signals() noexcept {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) {
    if (signal.ssi_signo == SIGTERM) {
      told_to_end_ = true;
      if (!link_.attached())
        state_.starter.forget();
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
    auto slot = state_.table.find_pid(ended.si_pid);
    if (slot != nullptr && !slot->is_foreign) {
      on_run(state_.table.index_of(*slot), EPOLLIN);
      continue;
    }
    if (slot != nullptr) { // it came to us when its parent ended
      if (slot->end_seen_ms != 0)
        --unreaped_;
      end_run(*slot,
              ended.si_code == CLD_EXITED ? outcome::exited : outcome::signaled,
              ended.si_status);
    }
    ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended, WEXITED | WNOHANG);
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

void keeper_loop::bring_back_node() noexcept {
  if (link_.take_death())
    state_.starter.node_has_died();
  if (!link_.attached())
    state_.starter.start_if_due(state_.epoll, tag_started);
}

void keeper_loop::pump_if_alone() noexcept {
  if (link_.is_node_dead() && !pump_.is_running())
    pump_.start(state_.epoll);
}

bool keeper_loop::leave_if_empty() noexcept {
  if (link_.attached() || state_.table.used_count() != 0
      || state_.starter.expects_node()
      || (!had_node_ && !told_to_end_
          && now_ms() < born_ms_ + first_node_limit_ms))
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
