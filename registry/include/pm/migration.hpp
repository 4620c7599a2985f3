#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/record.hpp>

// Taking over the registry of the tool before this one. Free of CAF and
// libuv; changes nothing: it makes the records, and says why.

namespace pm {

// The largest old registry that is read.
constexpr size_t migration_bytes_max = 64 * 1024 * 1024;

// How much later than its recorded start a process may have started, since
// clocks and file formats round.
constexpr milliseconds migration_start_slack{1000};

// A process that lives now.
struct live_process {
  timestamp started_at;     // by the wall clock
  uint64_t start_ticks = 0; // as in pm::identity
  uint32_t uid = 0;         // its real user
};

// What a plan has to know of the machine.
struct migration_world {
  timestamp now;
  uint32_t uid = 0; // whose processes may be adopted
  std::string boot_id;
  // Finds a live process that is neither a zombie nor a thread.
  std::function<std::optional<live_process>(int pid)> find;
};

// What becomes of an entry.
//   adopted  it runs, and provably is the recorded process
//   stopped  it had ended when the file was written
//   lost     recorded as running, and not provably alive
//   skipped  it cannot be understood, and no record is made
// clang-format off
#define PM_MIGRATION_OUTCOMES(X) X(adopted) X(stopped) X(lost) X(skipped)
// clang-format on
PM_ENUM(migration_outcome, PM_MIGRATION_OUTCOMES)

// The files that are understood.
//   streamers  streamers.json of pctl: an object of name -> streamer
//   handles    processes.json without a format number: an object or an array
//              of handles
#define PM_MIGRATION_FORMATS(X) X(streamers) X(handles)
PM_ENUM(migration_format, PM_MIGRATION_FORMATS)

// One entry of the old file.
struct migration_entry {
  std::string name; // "entry 3" where it has none
  migration_outcome outcome = migration_outcome::skipped;
  std::optional<process_record> record; // of all but the skipped ones
  std::string text;                     // why, in a sentence
  // Old fields without a place of their own, and what cannot be done any more.
  std::vector<std::string> notes;
};

struct migration_plan {
  migration_format format = migration_format::streamers;
  std::vector<migration_entry> entries; // in the order of the file

  // How many entries have this outcome.
  size_t count(migration_outcome x) const noexcept;
};

// Reads `text`, the contents of `file` (for messages), and says what would
// become of each entry. Entries with unknown, missing or malformed fields are
// skipped, each with its reason. Errors: format_refused, for a text that is
// not JSON or no old registry as a whole, with line and column where there is
// one.
expected<migration_plan> plan_migration(std::string_view text,
                                        const std::string& file,
                                        const migration_world& world);

// This machine and this user, now; /proc is read when `find` is called.
// Errors: system_failed.
expected<migration_world> live_world();

} // namespace pm
