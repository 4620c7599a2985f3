#pragma once

#include <string>

namespace pm::config {

// True if `value` matches the POSIX extended regular expression `pattern`, a
// text that lives as long as the program.
bool matches_pattern(const char* pattern, const std::string& value);

} // namespace pm::config
