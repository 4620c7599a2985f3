#include "apps/pm_keeper/keeper_journal.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "apps/pm_keeper/run_table.hpp"
#include "apps/pm_keeper/spawn_child.hpp"

namespace pm::keeper {

namespace {

constexpr size_t records_slack = 1024;
constexpr char runs_new_name[] = "keeper.runs.new";
constexpr char exits_new_name[] = "keeper.exits.new";

int open_file(int dir, const char* name, int flags) noexcept {
  return ::openat(
    dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags,
    0600);
}

void put(int fd, const journal_record& record) noexcept {
  // A short or failed write is told apart by the record's checksum.
  [[maybe_unused]] auto size = ::write(fd, &record, sizeof(record));
}

journal_record spawn_record(const run_slot& x) noexcept {
  return make_record(x.run_id, x.pid, x.start_ticks, x.spawned_us,
                     outcome::live, 0);
}

journal_record exit_record(const run_slot& x) noexcept {
  return make_record(x.run_id, x.pid, x.start_ticks, x.ended_us, x.outcome,
                     x.value);
}

} // namespace

int keeper_journal::open(int dir) noexcept {
  dir_ = dir;
  unique_fd runs{open_file(dir, runs_name, 0)};
  if (!runs || ::dup3(runs.get(), slot_runs_file, O_CLOEXEC) < 0)
    return errno;
  exits_ = open_file(dir, exits_name, 0);
  return exits_ < 0 ? errno : 0;
}

void keeper_journal::add_run(const run_slot& slot) noexcept {
  put(slot_runs_file, spawn_record(slot));
  ++records_;
}

void keeper_journal::add_exit(const run_slot& slot) noexcept {
  put(exits_, exit_record(slot));
  ++records_;
}

void keeper_journal::tidy(run_table& table) noexcept {
  if (records_ == 0)
    return;
  if (table.used_count() == 0) {
    [[maybe_unused]] auto runs = ::ftruncate(slot_runs_file, 0);
    [[maybe_unused]] auto exits = ::ftruncate(exits_, 0);
    records_ = 0;
  } else if (records_ > records_slack + 4 * table.used_count()) {
    rewrite(table);
  }
}

// New files take the place of the old ones whole: a crash leaves either.
void keeper_journal::rewrite(run_table& table) noexcept {
  records_ = 0;
  unique_fd runs{open_file(dir_, runs_new_name, O_TRUNC)};
  unique_fd exits{open_file(dir_, exits_new_name, O_TRUNC)};
  if (!runs || !exits)
    return;
  for (size_t i = 0; i < table.end(); ++i) {
    auto& slot = table.at(i);
    if (!slot.used || slot.outcome == outcome::failed)
      continue;
    put(runs.get(), spawn_record(slot));
    ++records_;
    if (slot.outcome != outcome::live) {
      put(exits.get(), exit_record(slot));
      ++records_;
    }
  }
  if (::renameat(dir_, exits_new_name, dir_, exits_name) == 0)
    ::dup3(exits.get(), exits_, O_CLOEXEC);
  if (::renameat(dir_, runs_new_name, dir_, runs_name) == 0)
    ::dup3(runs.get(), slot_runs_file, O_CLOEXEC);
}

} // namespace pm::keeper
