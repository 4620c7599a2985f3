#pragma once

#include <cstddef>

#include "runtime/keeper/journal_record.hpp"

// keeper.runs and keeper.exits: what is left when both halves die at once.
// protocol.md describes them.

namespace pm::keeper {

class run_table;
struct run_slot;

// Writes the two files. A write that fails is not repeated: the table is what
// counts, and these are read only when it is gone.
class keeper_journal {
public:
  // Opens both in the directory `dir`, the first one on slot_runs_file. Keeps
  // what an earlier keeper has left there. Returns 0 or errno.
  int open(int dir) noexcept;

  // A child has recorded itself.
  void run_recorded() noexcept { ++records_; }

  void add_run(const run_slot& slot) noexcept; // that came by `hold`
  void add_exit(const run_slot& slot) noexcept;

  size_t records() const noexcept { return records_; }

  // The files hold so many records of a keeper that goes on as this program.
  void take(size_t records) noexcept { records_ = records; }

  // After a change of `table`: empties both files when nothing is left, and
  // rewrites them when most of what they hold is forgotten.
  void tidy(run_table& table) noexcept;

private:
  void rewrite(run_table& table) noexcept;

  int dir_ = -1;
  int exits_ = -1;
  size_t records_ = 0; // written since the files were empty
};

} // namespace pm::keeper
