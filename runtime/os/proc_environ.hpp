#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pm {

// The id of the run that a process belongs to; and of the one that is its own
// where it runs beside that.
constexpr std::string_view run_variable = "PM_RUN_ID";
constexpr std::string_view side_run_variable = "PM_SIDE_RUN";

// The value of a variable that `pid` began with (/proc/PID/environ); none if it
// had none, is gone, or may not be read.
std::optional<std::string> read_process_variable(int pid,
                                                 std::string_view name);

} // namespace pm
