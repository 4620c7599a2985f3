#pragma once

#include <memory>
#include <vector>

#include <pm/registry_store.hpp>

namespace pm {

// What the registry knows, as of one sequence number.
struct registry_contents {
  record_map processes;
  node_mark mark{true, {}, {}}; // a fresh registry counts as ended in order
  uint64_t sequence = 0;        // of the last change

  bool operator==(const registry_contents&) const = default;

  // Applies a change. A state of an unknown process is passed over: it was
  // removed meanwhile. `shared`: `freeze` was called, and its result is in
  // use.
  void apply(change x, bool shared = false);
};

// The same for the reader on another thread, made in no time: the records are
// shared, in order of their names.
struct frozen_contents {
  std::vector<std::shared_ptr<const process_record>> processes;
  node_mark mark;
  uint64_t sequence = 0;
};

frozen_contents freeze(const registry_contents& x);

} // namespace pm
