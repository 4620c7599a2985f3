#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <pm/usage.hpp>

#include "runtime/os/proc.hpp"

namespace pm {

// Tells whose tree each process of the machine is in, and adds up. To a run's
// tree belong
//   - its leader, and the descendants of all that belong to it,
//   - who is in the session that the leader made,
//   - who was in it at an earlier sample,
//   - children of a reaper that began with this run's id in their environment.
// Not a leader of another run. For one thread.
class tree_accounts {
public:
  using clock = std::chrono::steady_clock;

  // What one sample is made of.
  struct sample {
    const std::vector<process_stat>* table = nullptr; // by pid
    std::vector<int> reapers;
    clock::time_point now;
    // Reads PM_RUN_ID of a process that runs beside none; empty: it has none.
    // Asked once for each orphan.
    std::function<std::string(int pid)> run_of;
  };

  // For each root, in order; `members` also lists who is in the tree.
  usage_meter::answer add_up(const std::vector<usage_root>& roots,
                             const sample& from, bool members);

private:
  // One process as it was last seen.
  struct seen {
    uint64_t start_ticks = 0;
    std::chrono::microseconds cpu{0};
    std::chrono::microseconds children_cpu{0};
  };

  // One run, from its first sample on.
  struct account {
    std::map<int, seen> members;
    std::chrono::microseconds ended{0}; // of those that nobody waited for
    std::chrono::microseconds cpu{0};   // in all, as last told
    clock::time_point at;
  };

  // Whom the orphans of the machine belong to.
  struct orphan {
    uint64_t start_ticks = 0;
    std::string run;
  };

  std::vector<int> owners_of(const std::vector<usage_root>& roots,
                             const sample& from);
  int owner_of_orphan(const process_stat& x,
                      const std::map<std::string, int>& runs,
                      const sample& from);
  void count_cpu(account& of, std::map<int, seen> now_there, run_usage& usage);
  void forget_old(clock::time_point now);

  std::map<std::string, account> accounts_; // by run id
  std::map<int, orphan> orphans_;           // by pid
};

} // namespace pm
