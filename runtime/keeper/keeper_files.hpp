#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <pm/ids.hpp>

#include "runtime/keeper/journal_record.hpp"
#include "runtime/keeper/keeper_codec.hpp"

namespace pm::keeper {

// What keepers of a state directory have written down, as far as it is whole:
// for runs that no keeper knows any more.
class keeper_files {
public:
  // Reads both files; one that is missing or not readable has no records.
  explicit keeper_files(const std::string& state_dir);

  // The run as its process recorded it before exec: live, without exit.
  std::optional<run_report> spawned(const run_id& run) const;

  // The same with its end.
  std::optional<run_report> exited(const run_id& run) const;

  // The runs that began, and whose end nobody has written down.
  std::vector<run_id> unended() const;

private:
  using records = std::unordered_map<run_id, journal_record, run_id_hash>;

  static records read(const std::string& path);

  records runs_;
  records exits_;
};

} // namespace pm::keeper
