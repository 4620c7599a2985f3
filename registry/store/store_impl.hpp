#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pm/registry_store.hpp>

#include "registry/store/history_file.hpp"
#include "registry/store/store_files.hpp"

namespace pm {

// A journal file that has records which no durable snapshot has.
struct open_journal {
  std::shared_ptr<storage_file> file;
  std::string name;         // on disk, unless `name_unsure`
  uint64_t size = 0;        // bytes, up to the last whole record
  uint64_t synced = 0;      // of those are durable
  bool torn = false;        // bytes of a failed write stand at its end
  bool sync_failed = false; // nobody knows what of it is on disk
  bool name_unsure = false; // its renaming failed somewhere
};

// What the compaction job tells, on whichever thread it runs.
struct compaction_progress {
  std::atomic<uint64_t> snapshot_size = 0; // bytes
  std::atomic<bool> retiring = false;      // the snapshot is durable
};

// A sync job under way.
struct sync_under_way {
  std::vector<std::pair<std::shared_ptr<open_journal>, uint64_t>> journals;
  uint64_t names_made = 0;
  bool refused = false; // no file was touched
};

// A compaction job under way.
struct compaction_under_way {
  uint64_t generation = 0;
  uint64_t names_made = 0;
  size_t ended = 0;                     // runs, which the history has then
  std::shared_ptr<open_journal> newest; // the others are covered
  std::shared_ptr<const compaction_progress> progress;
};

struct registry_store::impl {
  expected<void> load(open_report& report);
  expected<uint64_t> write(std::span<const change> changes);
  expected<void> append(const std::string& bytes);
  job sync_job();
  void sync_done(const expected<void>& outcome);
  bool wants_compaction() const noexcept;
  job compaction_job();
  void compaction_done(const expected<void>& outcome);

  expected<void> check_writable(uint64_t more_bytes);
  bool some_sync_failed() const noexcept;
  bool needs_new_journal() const noexcept;
  expected<void> begin_journal(uint64_t for_generation);

  std::shared_ptr<storage> on;
  store_limits limits;
  registry_contents contents;
  std::shared_ptr<history_file> history; // of the compaction job
  uint64_t generation = 0;               // of the last durable snapshot
  uint64_t attempt = 0;       // the last generation number that was given
  uint64_t snapshot_size = 0; // bytes, of the last durable one
  // All that recovery would need beside the snapshot; the last one grows.
  // Empty while none could be made.
  std::vector<std::shared_ptr<open_journal>> journals;
  uint64_t grown = 0;        // bytes since the last compaction began
  uint64_t names_made = 0;   // new names up to now
  uint64_t names_synced = 0; // of those are durable
  bool mending_due = false;  // a call was refused for want of a fresh snapshot
  std::string last_failure;  // of a job, for the texts
  // Shared with the compaction job, which takes off what it has moved.
  std::shared_ptr<std::vector<files::aside>> damaged =
    std::make_shared<std::vector<files::aside>>();

  std::optional<sync_under_way> syncing;

  std::optional<compaction_under_way> compacting;
};

} // namespace pm
