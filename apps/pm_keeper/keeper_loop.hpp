#pragma once

#include "apps/pm_keeper/handover.hpp"
#include "apps/pm_keeper/keeper_home.hpp"
#include "apps/pm_keeper/log_pump.hpp"
#include "apps/pm_keeper/node_link.hpp"

namespace pm::keeper {

// The keeper's life, from its readiness to its leaving. Without timers: a
// keeper whose runs do nothing never wakes.
class keeper_loop {
public:
  explicit keeper_loop(keeper_home& home) noexcept : home_(home) {}

  // Makes all that is needed; `nofile_soft` as spawner::open. Returns null, or
  // a sentence for people.
  const char* open(uint64_t nofile_soft) noexcept;

  // Takes over what the program before has left in the memfd. Returns as
  // `open`.
  const char* take(int memory, const handover_head& head) noexcept;

  // Serves until nothing is left to keep; returns the exit code.
  int run() noexcept;

private:
  void on_event(uint64_t tag, uint32_t events) noexcept;
  void on_run(size_t index, uint32_t events) noexcept;
  void on_foreign_run(run_slot& slot, uint32_t events) noexcept;
  void look_at_foreign_runs() noexcept;
  void end_run(run_slot& slot, outcome how, int value) noexcept;
  void on_signals() noexcept;
  void reap_orphans() noexcept;
  void accept_node() noexcept;
  void listen_if_alone() noexcept;
  void bring_back_node() noexcept;
  void become_next_program() noexcept;
  void pump_if_alone() noexcept;
  bool leave_if_empty() noexcept;
  int timeout_ms() const noexcept;

  keeper_home& home_;
  keeper_state state_;
  node_link link_{state_};
  log_pump pump_{state_.table, state_.logs};
  unique_fd epoll_;
  unique_fd signals_;
  size_t unreaped_ = 0; // foreign runs that have ended so
  int64_t born_ms_ = 0;
  bool listening_ = false;
  bool had_node_ = false;
  bool told_to_end_ = false;
  bool orphans_due_ = false;
  int rounds_ = 0; // since orphans became due
};

} // namespace pm::keeper
