#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/cgroup_mode.hpp>
#include <pm/record.hpp>

// The configuration file: JSON with comments and trailing commas, checked
// against conf/pm-node.schema.json. Free of CAF and libuv; safe to use from
// any thread.

namespace pm {

// Gives the value of an environment variable for `${NAME}`; nullopt if unset.
using environment_lookup =
  std::function<std::optional<std::string>(const std::string& name)>;

// Looks names up in this process's environment (getenv(3)).
environment_lookup process_environment();

// Something wrong in a configuration, and where.
struct config_problem {
  std::string file;
  int line = 0;   // from 1; 0: the file as a whole
  int column = 0; // from 1, in characters
  std::string text;

  bool operator==(const config_problem&) const = default;
};

// Prints as people and editors read it: "conf/x.json:3:14: unknown key ...".
std::string to_string(const config_problem& x);

// All that is wrong, in order of file and place; never empty as an error.
using config_problems = std::vector<config_problem>;

// Joins the printed problems, one a line, without a newline at the end.
std::string to_string(const config_problems& xs);

// A configuration that has passed every check.
struct node_config {
  std::string path;               // absolute, of the file that was loaded
  std::string name;               // of the node; empty where not given
  std::vector<std::string> files; // `path` and all that it includes
  // How many may be on their way up at once; 0: no limit.
  int start_concurrency_max = 0;
  cgroup_mode cgroups = cgroup_mode::if_cheap;
  // With origin::config and created_at at its default, in the order of the
  // file; replicas are expanded to name.1 ... name.K with `spec.replica` set.
  std::vector<process_definition> processes;

  bool operator==(const node_config&) const = default;
};

// Reads, expands and checks the configuration file `path` and what it
// includes. Touches nothing. The problems of a file's syntax hide the rest of
// that file; all others are collected. When running as root, a file that
// others can write (or whose directory they can) is refused.
tl::expected<node_config, config_problems>
load_config(const std::string& path, const environment_lookup& lookup);

// Does the same with a text that is taken as the contents of `path`.
tl::expected<node_config, config_problems>
parse_config(std::string_view text, const std::string& path,
             const environment_lookup& lookup);

// Reads one process in config form, `{"command": [...], ...}`, as the control
// protocol carries it: nothing is expanded. Relative paths are relative to
// `base_dir` (absolute), which is also the working directory where the process
// names none. Gives one definition with origin::adhoc; with `replicas`, K of
// them. Problems have an empty `file` and print as "spec:1:14: ...".
tl::expected<std::vector<process_definition>, config_problems>
parse_process(const std::string& handle_id, std::string_view json,
              const std::string& base_dir);

// The text of conf/pm-node.schema.json, as built in.
std::string_view config_schema() noexcept;

} // namespace pm
