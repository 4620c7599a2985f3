#pragma once

#include <string>
#include <vector>

#include <pm/cgroup_mode.hpp>
#include <pm/config.hpp>

// The configuration that a node has accepted, and what another one changes.

namespace pm {

// A configuration with all files read and all variables expanded, as it is
// kept in the state directory: what a node goes on with that its keeper has
// started again, whatever has become of the files.
struct accepted_config {
  std::string path; // of the main file
  std::string name; // of the node; empty where not given
  int start_concurrency_max = 0;
  cgroup_mode cgroups = cgroup_mode::if_cheap; // from the next start on
  timestamp accepted_at;
  // All that follows from it is recorded; else it is to be applied again.
  bool applied = false;
  std::vector<process_definition> processes;

  bool operator==(const accepted_config&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("path", x.path), field("name", x.name),
                 field("start_concurrency_max", x.start_concurrency_max),
                 field("cgroups", x.cgroups),
                 field("accepted_at", x.accepted_at),
                 field("applied", x.applied), field("processes", x.processes));
  }
};

// The file of the state directory that holds it.
constexpr auto accepted_config_name = "config.json";

// Takes over what `load_config` gave.
accepted_config accept_config(node_config config, timestamp at);

// Writes the file in one step, and waits for the disk. Errors: storage_failed.
expected<void> write_accepted_config(const std::string& state_dir,
                                     const accepted_config& config);

// Reads the file; none where there is no such file. Errors: format_refused,
// storage_failed.
expected<std::optional<accepted_config>>
read_accepted_config(const std::string& state_dir);

// One key whose value differs. The values are JSON; of a secret variable they
// are "(secret)".
struct key_change {
  std::string key; // as in the file: "restart_delay", "shutdown.signal"
  std::string before;
  std::string after;
  bool restarts = false; // it takes effect with a new run only

  bool operator==(const key_change&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("key", x.key), field("before", x.before),
                 field("after", x.after), field("restarts", x.restarts));
  }
};

// What an applied configuration does to a process.
#define PM_CONFIG_CHANGES(X) X(added) X(changed) X(removed)
PM_ENUM(config_change, PM_CONFIG_CHANGES)

struct process_change {
  std::string handle_id;
  config_change change = config_change::changed;
  std::vector<key_change> keys; // with `changed`
  bool restarts = false;        // it is up, and one of the keys restarts it

  bool operator==(const process_change&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("change", x.change),
                 field("keys", x.keys), field("restarts", x.restarts));
  }
};

struct config_diff {
  std::string path; // of the configuration
  std::vector<key_change> node;
  std::vector<process_change> processes; // sorted by handle id
  uint64_t unchanged = 0;

  bool operator==(const config_diff&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("path", x.path), field("node", x.node),
                 field("processes", x.processes),
                 field("unchanged", x.unchanged));
  }
};

// The keys in which two definitions of one process differ; when it was created
// is none of them.
std::vector<key_change> changed_keys(const process_definition& before,
                                     const process_definition& after);

} // namespace pm
