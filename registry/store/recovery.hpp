#pragma once

#include <optional>
#include <string>
#include <vector>

#include "registry/store/registry_contents.hpp"

// How a registry comes back (registry/format.md), as a function of the bytes
// that were found: it touches nothing.

namespace pm {

struct stored_file {
  std::string name;
  std::string bytes;
};

// What a state directory holds; absent or in order of age.
struct found_files {
  std::optional<stored_file> snapshot;
  std::optional<stored_file> snapshot_before; // the generation before
  std::optional<stored_file> journal_before;  // what led from that to this
  std::vector<stored_file> journals;          // the oldest first
};

struct recovered_registry {
  registry_contents contents;
  uint64_t generation = 0;          // the highest that was seen
  uint64_t snapshot_size = 0;       // bytes, of the one that was used
  std::vector<std::string> damaged; // names of files, for keeping them aside
  open_report report;
};

// Takes the newest good snapshot, then every change of the journals that is
// newer than it. Errors: format_refused.
expected<recovered_registry> recover(const found_files& found);

} // namespace pm
