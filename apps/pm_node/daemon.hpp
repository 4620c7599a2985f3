#pragma once

#include <optional>
#include <string>
#include <vector>

#include <pm/config.hpp>

namespace pm {

struct daemon_options {
  std::string state_dir;
  std::string name; // empty: the configuration's, else "node"
  std::string keeper_path;
  std::optional<node_config> config;
  bool resumes = false; // goes on with the configuration in its state
  std::vector<std::string> resume; // the command that goes on with this node
  bool respawn = true;             // by the keeper, when it has crashed
  bool verbose = false;
  bool quiet = false;
};

// Runs a node on the calling thread until it is shut down by a signal or by a
// client. Returns the program's exit code: 0, or 1 when it could not begin.
int run_daemon(daemon_options options);

} // namespace pm
