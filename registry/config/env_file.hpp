#pragma once

#include <map>
#include <string>

#include "registry/config/config_source.hpp"

namespace pm::config {

// Reads lines of KEY=VALUE into `into`, a later one over an earlier one.
// Blank lines and lines that begin with '#' are passed over, as is "export "
// before a key. A value may stand in single quotes (taken as it is) or in
// double quotes (where \n, \t, \", \\ and \$ are escapes); without quotes it
// ends at the end of the line or at " #", without blanks around it. Nothing is
// expanded. Adds what is wrong to `problems`.
void read_env_text(const source& from, std::map<std::string, std::string>& into,
                   problem_list& problems);

} // namespace pm::config
