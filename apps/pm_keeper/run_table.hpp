#pragma once

#include <cstddef>
#include <cstdint>

#include "apps/pm_keeper/log_shelf.hpp"
#include "runtime/keeper/protocol.hpp"
#include "runtime/os/unique_fd.hpp"

namespace pm::keeper {

// What a run's slot still has to tell the node.
enum owed_bits : uint8_t {
  owed_held = 1,    // a row of the table
  owed_spawned = 2, // spawned or spawn_failed
  owed_exited = 4,
  owed_holding = 8,
};

// One run that the keeper knows: alive, or ended and not acknowledged.
struct run_slot {
  run_key run_id{};
  uint64_t start_ticks = 0;
  int64_t spawned_us = 0;
  int64_t ended_us = 0;
  int32_t pid = 0;
  int32_t value = 0;
  uint32_t detail = 0;
  unique_fd pidfd;
  unique_fd stdout_r;
  unique_fd stderr_r;
  unique_fd stdin_w;
  log_ref log; // none: its output waits for the node
  uint64_t moved_bytes = 0;
  uint64_t dropped_bytes = 0;
  pm::keeper::outcome outcome = pm::keeper::outcome::live;
  spawn_stage stage = spawn_stage::none;
  uint8_t flags = 0;  // report_flags
  uint8_t owed = 0;   // owed_bits
  uint8_t pumped = 0; // a bit for each output that the pump watches
  bool used = false;
  bool is_foreign = false;      // not our child: it came by `hold`
  bool is_acknowledged = false; // by a node that knew its end before us
  int64_t end_seen_ms = 0;      // of a foreign run that nobody has reaped yet

  report_body report() const noexcept;
};

// All runs, in one growing array whose pages are touched as they are needed.
// A slot's number stays the same for its life; free ones are used again from
// the lowest on. A look-up walks the array: a few microseconds at thousands
// of runs, beside a spawn of hundreds.
class run_table {
public:
  static constexpr size_t runs_max = 65536;

  // Reserves address space. False if there is none.
  bool open() noexcept;

  // Takes a free slot; null if the table is full.
  run_slot* add(const run_key& run) noexcept;

  run_slot* find(const run_key& run) noexcept;
  run_slot* find_pid(int pid) noexcept; // among live runs

  // Forgets a run and closes its descriptors.
  void remove(run_slot& slot) noexcept;

  // One above the highest slot in use.
  size_t end() const noexcept { return end_; }

  run_slot& at(size_t i) noexcept { return slots_[i]; }

  size_t index_of(const run_slot& slot) const noexcept {
    return static_cast<size_t>(&slot - slots_);
  }

  size_t used_count() const noexcept { return used_count_; }

private:
  run_slot* slots_ = nullptr;
  size_t end_ = 0;
  size_t first_free_ = 0; // no free slot is below it
  size_t used_count_ = 0;
};

} // namespace pm::keeper
