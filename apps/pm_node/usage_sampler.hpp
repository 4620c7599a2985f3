#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <pm/record.hpp>
#include <pm/usage.hpp>

namespace pm {

// Fills in what live processes use, with all that belongs to them. The share
// of a core is that since the previous sample of the same run, or since its
// start when there was none: no timer is needed for it.
class usage_sampler {
public:
  // The views, and the JSON of each one's tree where it was asked for.
  using completion = std::function<void(std::vector<process_view>,
                                        std::vector<std::string> trees)>;

  // `meter` must outlive it.
  explicit usage_sampler(usage_meter& meter);

  // Calls `done` on the meter's thread. Any thread.
  void submit(std::vector<process_view> views, bool with_trees,
              completion done);

private:
  struct readings;
  std::shared_ptr<readings> readings_;
  usage_meter& meter_;
};

} // namespace pm
