#pragma once

#include <string>
#include <vector>

#include "apps/pmctl/session.hpp"

namespace pm::ctl {

// One log to be read.
struct log_source {
  std::string handle_id;
  std::string path;
  std::string run_id;         // of the run that the node knows; may be empty
  std::string correlation_id; // of that run
};

// Finds the logs of `names` (all without one): asks the node, or looks into
// the state directory where no node answers. Each file comes once. Errors:
// no_such_process, unreachable (no node, and no such log), and what the node
// says.
expected<std::vector<log_source>>
find_logs(session& here, const std::vector<std::string>& names);

} // namespace pm::ctl
