#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pm/event_loop.hpp>
#include <pm/fields.hpp>
#include <pm/ids.hpp>

// What the trees of runs use, by the kernel's own account.

namespace pm {

// The run whose tree is meant, by its leader.
struct usage_root {
  pm::run_id run_id;
  int pid = 0;
  uint64_t start_ticks = 0; // 0: not known, the pid has to do
};

// One process of a tree.
struct tree_member {
  int pid = 0;
  int parent_pid = 0;
  uint64_t start_ticks = 0;
  std::string name;                 // as the kernel has it, any bytes
  char state = '?';                 // R, S, D, T, Z ...
  int threads = 0;                  //
  uint64_t rss_bytes = 0;           //
  std::chrono::microseconds cpu{0}; // its own, since it began
};

// What the tree of one run uses now. Memory that several processes share
// counts once for each of them.
struct run_usage {
  int processes = 0; // zombies are none
  int threads = 0;
  uint64_t rss_bytes = 0;
  // Of all that ever were in the tree, since the run began; never goes back.
  std::chrono::microseconds cpu{0};
  std::optional<int> descriptors;   // where asked for, and known
  std::vector<tree_member> members; // where asked for; by pid
};

struct usage_question {
  std::vector<usage_root> roots;
  bool descriptors = false;
  bool members = false;
};

// How long lies between two samples of a watched run.
constexpr std::chrono::milliseconds usage_period{1000};

// Measures trees. One look at the system serves all runs of a sample. The
// node's one reads /proc; tests use another.
class usage_meter {
public:
  // For each root of a question, in its order; none for what is not there.
  using answer = std::vector<std::optional<run_usage>>;

  virtual ~usage_meter() = default;

  // Measures once. Any thread; `done` comes on the meter's.
  virtual void ask(usage_question what, std::function<void(answer)> done) = 0;

  // Measures the tree every `usage_period` until it is forgotten; in place of
  // what was there for this run. Any thread; `tell` comes on the meter's.
  virtual void watch(usage_root root,
                     std::function<void(const run_usage&)> tell) = 0;

  // Any thread; a sample that is under way may still be told.
  virtual void forget(const run_id& run) = 0;
};

// A meter on `loop`, which must outlive it; it reads on a thread of the loop's
// pool. `reapers` gives, on the loop's thread, the processes whose children
// orphans become. While nothing is watched or asked it does not wake. Destroy
// it on the loop's thread; what has not been answered is dropped.
std::unique_ptr<usage_meter>
make_loop_meter(event_loop& loop, std::function<std::vector<int>()> reapers);

} // namespace pm
