#include "apps/pm_keeper/run_table.hpp"

#include <new>
#include <sys/mman.h>

namespace pm::keeper {

report_body run_slot::report() const noexcept {
  report_body result;
  result.run_id = run_id;
  result.pid = pid;
  result.outcome = outcome;
  result.start_ticks = start_ticks;
  result.spawned_us = spawned_us;
  result.ended_us = ended_us;
  result.value = value;
  result.stage = stage;
  result.detail = detail;
  result.flags = flags;
  result.moved_bytes = moved_bytes;
  result.dropped_bytes = dropped_bytes;
  return result;
}

bool run_table::open() noexcept {
  auto memory =
    ::mmap(nullptr, runs_max * sizeof(run_slot), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return false;
  // A large page would make the first run cost two megabytes.
  ::madvise(memory, runs_max * sizeof(run_slot), MADV_NOHUGEPAGE);
  slots_ = static_cast<run_slot*>(memory);
  return true;
}

run_slot* run_table::add(const run_key& run) noexcept {
  auto i = first_free_;
  while (i < end_ && slots_[i].used)
    ++i;
  if (i == runs_max)
    return nullptr;
  auto slot = new (&slots_[i]) run_slot;
  slot->run_id = run;
  slot->used = true;
  first_free_ = i + 1;
  if (i == end_)
    ++end_;
  ++used_count_;
  return slot;
}

run_slot* run_table::find(const run_key& run) noexcept {
  for (size_t i = 0; i < end_; ++i)
    if (slots_[i].used && slots_[i].run_id == run)
      return &slots_[i];
  return nullptr;
}

run_slot* run_table::find_pid(int pid) noexcept {
  for (size_t i = 0; i < end_; ++i)
    if (slots_[i].used && slots_[i].outcome == outcome::live
        && slots_[i].pid == pid)
      return &slots_[i];
  return nullptr;
}

void run_table::remove(run_slot& slot) noexcept {
  auto i = index_of(slot);
  slot = run_slot{};
  --used_count_;
  if (i < first_free_)
    first_free_ = i;
  while (end_ > 0 && !slots_[end_ - 1].used)
    --end_;
  if (first_free_ > end_)
    first_free_ = end_;
}

} // namespace pm::keeper
