#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <pm/record.hpp>
#include <pm/storage.hpp>

// The registry on disk (registry/format.md): a snapshot and a journal of what
// has changed since.

namespace pm {

// A new state of a process.
struct state_change {
  std::string handle_id;
  process_state state;

  bool operator==(const state_change&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("state", x.state));
  }
};

// The end of a process's record.
struct removal {
  std::string handle_id;

  bool operator==(const removal&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id));
  }
};

// A node began (`clean_shutdown` false) or ended in order (true).
struct node_mark {
  bool clean_shutdown = false;
  std::string boot_id;
  std::string name;

  bool operator==(const node_mark&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("clean_shutdown", x.clean_shutdown),
                 field("boot_id", x.boot_id), field("name", x.name));
  }
};

// A request was acted upon: the same one again is not. It is written in one
// group with what it changes.
struct request_mark {
  std::string request_id;
  std::string handle_id;

  bool operator==(const request_mark&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("request_id", x.request_id),
                 field("handle_id", x.handle_id));
  }
};

// How many of the last marks are kept.
constexpr size_t request_marks_max = 1024;

// One record of the journal. The order is the record's type on disk, from 1.
using change = std::variant<process_definition, state_change, removal,
                            node_mark, ended_run, request_mark>;

// What `open` found that a person should know of; all empty if all was well.
struct open_report {
  std::vector<std::string> lines;      // in words, one for each thing
  std::vector<std::string> kept_aside; // the new names of damaged files
  size_t records_replayed = 0;         // taken from the journals
  uint64_t bytes_cut = 0;              // of writes that never ended
};

// When the journal is long enough for a fresh snapshot, and when too long for
// another record.
struct store_limits {
  uint64_t journal_size_min = 1u << 20;   // bytes; no snapshot below
  uint64_t journal_growth = 4;            // times the size of the last snapshot
  uint64_t journal_size_max = 256u << 20; // bytes; nothing is written above

  // The history keeps so many runs of each process, and of all that are gone.
  size_t runs_per_process = 100;
  size_t runs_of_gone = 1000;
  uint64_t history_growth_min = 1u << 20; // bytes; not cut to size below
  uint64_t history_size_max = 32u << 20;  // bytes, after it was cut
};

// A record in the registry's keeping; a copy of it is a copy of the record.
class kept_record {
public:
  kept_record() : record_(std::make_shared<process_record>()) {}

  kept_record(const kept_record& other)
    : record_(std::make_shared<process_record>(*other.record_)) {}

  kept_record& operator=(const kept_record& other) {
    record_ = std::make_shared<process_record>(*other.record_);
    return *this;
  }

  const process_record& operator*() const noexcept { return *record_; }

  const process_record* operator->() const noexcept { return record_.get(); }

  operator const process_record&() const noexcept { return *record_; }

  bool operator==(const kept_record& other) const {
    return *record_ == *other.record_;
  }

  // For a snapshot on another thread.
  std::shared_ptr<const process_record> share() const noexcept {
    return record_;
  }

  // For a change. `shared` says that a snapshot may be reading it: then it is
  // replaced by a copy.
  process_record& change(bool shared) {
    if (shared)
      record_ = std::make_shared<process_record>(*record_);
    return *record_;
  }

private:
  std::shared_ptr<process_record> record_;
};

// By handle id.
using record_map = std::map<std::string, kept_record>;

// The registry of one state directory. All calls belong to one thread, which
// never waits for a disk's sync in them; the jobs they return do, and may run
// on another thread: one sync job and one compaction job at a time. After each
// job its `_done` is called with the outcome, on the first thread.
//
// After a failed sync nothing is durable any more until a compaction has
// succeeded: `sync_job` fails without a try, `write` is refused until the
// compaction has begun. `wants_compaction` asks for it; after a failed one it
// asks again with the next refused call, so that nothing spins on a full disk.
class registry_store {
public:
  using job = std::function<expected<void>()>;
  using history_job = std::function<expected<std::vector<ended_run>>()>;

  // Reads what is there and mends what can be mended; an empty directory is an
  // empty registry. It waits for the disk. Where the directory cannot be
  // written the registry opens all the same, says so in the report, and
  // refuses changes until a compaction succeeds. Errors: format_refused (a
  // newer or a foreign program's; nothing was touched), storage_failed (it
  // cannot be read).
  static expected<registry_store> open(std::shared_ptr<storage> on,
                                       open_report& report,
                                       const store_limits& limits = {});

  registry_store(registry_store&&) noexcept;
  registry_store& operator=(registry_store&&) noexcept;
  ~registry_store();

  // The state after all that was written.
  const record_map& records() const noexcept;

  // The last mark.
  const node_mark& last_mark() const noexcept;

  // The last requests that were acted upon, the oldest first.
  const std::deque<request_mark>& requests() const noexcept;

  // Of the last durable snapshot.
  uint64_t generation() const noexcept;

  // Of the last change that was written.
  uint64_t sequence() const noexcept;

  // Appends the changes with one write and applies them; gives the sequence
  // number of the last one. They survive this program from now on, and the
  // machine after the next sync; of a group that was cut short nothing comes
  // back. A failure applies none. Errors: storage_failed; invalid_argument (a
  // value that cannot be kept, or a record of more than 16 MiB).
  expected<uint64_t> write(std::span<const change> changes);

  // Reads the last `count_max` ended runs of a process, the newest first. May
  // run on any thread, beside the other jobs. Errors: storage_failed.
  history_job read_history(std::string handle_id, size_t count_max) const;

  // False while nothing becomes durable but by a compaction.
  bool is_sound() const noexcept;

  // Makes all that was written up to now durable.
  job sync_job();
  void sync_done(const expected<void>& outcome);

  // True when the journal has outgrown the snapshot, or when only a fresh
  // snapshot mends what has failed.
  bool wants_compaction() const noexcept;

  // Goes on in a new journal at once; the job makes a snapshot of what was
  // written up to now, durably, and retires the old journal.
  job compaction_job();
  void compaction_done(const expected<void>& outcome);

private:
  struct impl;

  explicit registry_store(std::unique_ptr<impl> owned) noexcept;

  std::unique_ptr<impl> impl_;
};

} // namespace pm
