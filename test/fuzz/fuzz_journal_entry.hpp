#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "registry/store/recovery.hpp"
#include "registry/store/snapshot_text.hpp"

// The one entry of each registry fuzzer and of the seeded random test.

namespace pm::test {

// Takes `bytes` for what is left of a registry, and aborts unless it can be
// written and comes back as it was understood.
inline size_t recover_anything(const found_files& found) {
  auto x = recover(found);
  if (!x)
    return 0;
  auto again =
    decode_snapshot("again", encode_snapshot(freeze(x->contents), 1));
  if (!again)
    std::abort();
  // A name or a key that no node would write is left out the second time.
  if (again->problems.empty() && !(again->contents == x->contents))
    std::abort();
  return x->report.records_replayed + x->contents.processes.size();
}

// The first byte says where the journal is split in two files.
inline size_t recover_journal(std::string_view bytes) {
  found_files found;
  if (bytes.empty())
    return recover_anything(found);
  auto split = bytes.size() * static_cast<unsigned char>(bytes[0]) / 255;
  found.journals.push_back({"first", std::string{bytes.substr(1, split)}});
  if (split + 1 < bytes.size())
    found.journals.push_back({"second", std::string{bytes.substr(split + 1)}});
  return recover_anything(found);
}

inline size_t recover_snapshot(std::string_view bytes) {
  found_files found;
  found.snapshot = stored_file{"snapshot", std::string{bytes}};
  return recover_anything(found);
}

} // namespace pm::test
