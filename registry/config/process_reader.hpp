#pragma once

#include <string_view>
#include <vector>

#include <pm/spec.hpp>

#include "registry/config/config_files.hpp"
#include "registry/config/config_node.hpp"
#include "registry/config/dependency_reader.hpp"

namespace pm::config {

// What reading a process needs beside its text.
struct reader_context {
  file_store& files;
  problem_list& problems;
  // Look users and groups up now. May block in a name service.
  bool check_users = true;
};

struct process_reading {
  process_spec spec;
  int replicas = 0; // 0: not given
  std::vector<named_need> needs;
};

// Turns a process that the schema has checked (and `defaults` merged into)
// into a spec. What the schema has refused is passed over; what it cannot say
// (limits whose soft is above hard, missing env_files, unknown users) is added
// to the problems. Relative paths begin at the directory of the file that the
// key stands in; `base_dir` is the directory to run in when none is named.
process_reading read_process(const node& x, std::string_view handle_id,
                             const std::string& base_dir,
                             reader_context& context);

// The keys that `read_process` reads of an object: "process", "start_limit",
// "shutdown", "stop_step", "dependency", "log" or "limit".
std::vector<std::string_view> keys_read(std::string_view object);

} // namespace pm::config
