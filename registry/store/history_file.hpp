#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/store/recovery.hpp"

namespace pm {

// The record of ended runs (registry/format.md), bounded: it grows by every
// compaction, and is cut to size when it has doubled. One thread at a time;
// only `read_history` may run beside it.
class history_file {
public:
  history_file(std::shared_ptr<storage> on, const store_limits& limits)
    : on_(std::move(on)), limits_(limits) {}

  // Looks at what is there; to be called once, before all else. Errors:
  // storage_failed.
  expected<void> check(open_report& report);

  // Keeps the runs that it does not have yet, durably. `known` are the
  // processes that have a record. Errors: storage_failed; some may have been
  // kept then.
  expected<void> add(const std::vector<ended_change>& runs,
                     const std::set<std::string_view>& known);

private:
  std::string records_of(const std::vector<ended_change>& runs) const;
  expected<void> append(const std::string& bytes);
  expected<void> write_anew(const std::string& more,
                            const std::set<std::string_view>& known);

  std::shared_ptr<storage> on_;
  store_limits limits_;
  std::string kept_aside_;     // the name for the damaged file; empty: none is
  uint64_t size_ = 0;          // bytes, up to the last whole record
  uint64_t torn_ = 0;          // bytes behind that
  bool distrusted_ = false;    // a write or sync failed: a new file is due
  uint64_t size_cut_ = 0;      // what was left when it was last cut
  uint64_t last_sequence_ = 0; // of what `add` has kept
};

// The last `count_max` runs of the process, the newest first: those in
// `newer` (in order of age) and those that the file has.
expected<std::vector<ended_run>>
read_history(storage& on, const std::string& handle_id, size_t count_max,
             const std::vector<ended_change>& newer);

} // namespace pm
