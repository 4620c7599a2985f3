#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <pm/record.hpp>

#include "actors/work_queue.hpp"

namespace pm {

// Fills in what live processes use, read from /proc in one pass. The share of
// a core is that since the previous sample of the same run, or since its start
// when there was none: no timer is needed for it.
class usage_sampler {
public:
  using completion = std::function<void(std::vector<process_view>)>;

  // Samples on a thread of its own and calls `done` there. Thread-safe.
  void submit(std::vector<process_view> views, completion done);

private:
  // Blocks for about ten microseconds a process.
  void sample(std::vector<process_view>& views);

  struct reading {
    std::chrono::microseconds cpu{0};
    timestamp at;
  };

  std::map<std::string, reading> last_; // by run id, of the last ten minutes
  work_thread thread_;                  // last: its jobs use the others
};

} // namespace pm
