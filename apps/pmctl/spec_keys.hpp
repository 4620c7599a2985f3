#pragma once

#include <string>
#include <vector>

#include <pm/error.hpp>

namespace pm::ctl {

// Adds what `--set KEY=VALUE` says to a process in config form, which is a JSON
// object. A key below another is named as in "schedule.interval". A value is
// JSON, or else a text; a list, a number, true or false need no quotes. That of
// a variable or a label is a text. Errors: invalid_argument.
expected<std::string> set_keys(const std::string& spec,
                               const std::vector<std::string>& words);

} // namespace pm::ctl
