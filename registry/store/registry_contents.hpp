#pragma once

#include <memory>
#include <vector>

#include <pm/registry_store.hpp>

namespace pm {

// A run that has ended, and the number of the change that said so.
struct ended_change {
  uint64_t sequence = 0;
  std::shared_ptr<const ended_run> run;

  bool operator==(const ended_change& other) const {
    return sequence == other.sequence && *run == *other.run;
  }
};

// What the registry knows, as of one sequence number.
struct registry_contents {
  record_map processes;
  std::deque<request_mark> requests; // the last `request_marks_max`
  std::vector<ended_change> ended;   // that the history does not have yet
  node_mark mark{true, {}, {}}; // a fresh registry counts as ended in order
  uint64_t sequence = 0;        // of the last change

  bool operator==(const registry_contents&) const = default;

  // Applies the change `sequence`. A state of an unknown process is passed
  // over: it was removed meanwhile. `shared`: `freeze` was called, and its
  // result is in use.
  void apply(change x, bool shared = false);
};

// The same for the reader on another thread, made in no time: the records are
// shared, in order of their names.
struct frozen_contents {
  std::vector<std::shared_ptr<const process_record>> processes;
  std::vector<request_mark> requests;
  std::vector<ended_change> ended;
  node_mark mark;
  uint64_t sequence = 0;
};

frozen_contents freeze(const registry_contents& x);

} // namespace pm
