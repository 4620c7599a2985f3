#pragma once

#include <string>
#include <vector>

#include <pm/error.hpp>

#include "apps/pmctl/request_params.hpp"

namespace CLI {
class App;
}

namespace pm::ctl {

// What `run` and `start` call where they do not run a command.
struct call_options {
  std::string python;
  std::string function;
  std::string args;
  std::string kwargs;
  std::string interpreter;
  std::vector<std::string> python_path;

  void add_to(CLI::App& verb);

  bool given() const { return !python.empty() || !function.empty(); }

  // Writes them in config form; relative paths begin at `base_dir`. Errors:
  // invalid_argument.
  expected<void> write(request_params& spec, const std::string& base_dir) const;
};

} // namespace pm::ctl
