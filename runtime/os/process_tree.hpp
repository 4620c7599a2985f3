#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace pm {

// The descendants of one run's leader, also those that have made a session of
// their own or have lost their parent. Found are
//   - the leader's descendants, as long as it lives,
//   - children of a reaper (who got them when their parent ended) that began
//     with this run's id in their environment, and their descendants,
//   - all that was found before, as long as it lives.
// What was orphaned before the first look and had its environment cleared is
// not found. Only a process whose start time is what it was gets a signal.
// A few system calls for each process found; nothing waits.
class process_tree {
public:
  // Who the kernel gives orphans to, and which pids lead runs of their own.
  struct surroundings {
    std::vector<int> reapers;
    std::function<bool(int pid)> is_leader;
  };

  process_tree(int leader, std::string run_id)
    : leader_(leader), group_(leader), run_id_(std::move(run_id)) {}

  // The leader has been reaped: its pid may be somebody else's from now on.
  void leader_ended() noexcept { leader_ = 0; }

  // Looks who is there now. False: nobody but the leader.
  bool look(const surroundings& around);

  // Sends a signal to all that the last look has found, but for the leader's
  // process group, which is signalled as a whole.
  void signal(int number);

  // Stops all that can be found until nobody new appears, then kills them.
  void kill(const surroundings& around);

private:
  struct member {
    uint64_t start_ticks = 0;
    int group = 0;
  };

  void add(int pid);
  void add_descendants();

  int leader_ = 0;
  int group_ = 0;
  std::string run_id_;
  std::map<int, member> members_; // by pid
};

} // namespace pm
