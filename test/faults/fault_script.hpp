#pragma once

#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include <pm/registry_store.hpp>

// The changes that every test of this folder makes, and how they are made.

namespace pm::test {

using change_group = std::vector<change>;

constexpr size_t script_changes = 200;

// Definitions, states, removals and marks of a dozen processes, in groups of
// one to five, the same in each run; no two changes say the same.
const std::vector<change_group>& fault_script();

// What a registry says of itself.
struct registry_view {
  record_map records;
  node_mark mark;
  std::deque<request_mark> requests;
  std::vector<ended_run> history; // of all processes, by run id

  bool operator==(const registry_view&) const = default;
};

registry_view view_of(const registry_store& store);

// The same without the history, which is read from the disk.
registry_view contents_of(const registry_store& store);

// What the groups for which `counts` make of an empty registry.
registry_view outcome_of(const std::function<bool(size_t group)>& counts);

// The number of the last change of each group if none is refused.
const std::vector<uint64_t>& group_ends();

// What is there after each group if none is refused.
const std::vector<registry_view>& group_outcomes();

// The number of the group that ends with this change; none if the change is
// in the middle of one. Zero changes are group -1.
std::optional<int> group_ending_at(uint64_t sequence);

// Drives a registry as the node does: at most one sync and one compaction are
// under way, on another thread or (std::launch::deferred) inside `end_`.
class script_player {
public:
  script_player(registry_store& store, std::launch how)
    : store_(store), how_(how) {}

  // The number of the last change that is durable.
  uint64_t acknowledged() const noexcept { return acknowledged_; }

  void begin_sync();
  expected<void> end_sync();
  expected<void> sync();

  void begin_compaction();
  expected<void> end_compaction();
  expected<void> compact();

private:
  registry_store& store_;
  std::launch how_;
  uint64_t acknowledged_ = 0;
  uint64_t syncing_ = 0;
  std::future<expected<void>> sync_;
  std::future<expected<void>> compaction_;
};

// The seed of this run: PM_SEED, or a new one.
uint64_t run_seed();

// A number of rounds that make torture multiplies: PM_ROUNDS, or `usual`.
size_t run_rounds(size_t usual);

} // namespace pm::test
