#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/store/registry_contents.hpp"

// The snapshot's text (registry/format.md), and back.

namespace pm {

constexpr int snapshot_format = 1;

struct snapshot {
  uint64_t generation = 0;
  registry_contents contents;
  std::vector<std::string> problems; // entries that had to be left out, why
};

// Writes a snapshot with one process a line and a checksum at its end.
std::string encode_snapshot(const frozen_contents& x, uint64_t generation);

// Reads a snapshot; `name` is the file's, for the texts. A text without a
// checksum (edited by a person) is taken, and named in `problems`. Errors:
// format_refused (a newer or a foreign program's), storage_failed (damaged).
expected<snapshot> decode_snapshot(std::string_view name,
                                   std::string_view text);

} // namespace pm
