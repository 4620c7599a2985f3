#pragma once

#include <map>
#include <string>
#include <vector>

#include <pm/record.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// A name in a `depends_on`, and where it stands.
struct named_need {
  std::string name;
  const source* from = nullptr;
  size_t offset = 0;
};

// Reads what the schema has checked: an array of names, or an object of them.
// A name that stands twice in an array is a problem.
std::vector<named_need> read_depends_on(const node& x,
                                        std::string_view handle_id,
                                        std::map<std::string, dependency>& to,
                                        problem_list& problems);

// A process as the file has it, before its replicas.
struct named_process {
  std::string name;
  std::vector<named_need> needs;
};

// Finds what no single process can tell: dependencies on names that nobody
// has, on what can never hold, and cycles.
void check_dependencies(const std::vector<named_process>& named,
                        const std::vector<process_definition>& processes,
                        problem_list& problems);

// The keys that are read of one dependency.
std::vector<std::string_view> dependency_keys();

} // namespace pm::config
