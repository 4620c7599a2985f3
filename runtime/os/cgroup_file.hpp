#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pm {

// Writes `word` to a file of a control group, which is there or not. False: the
// kernel did not take it.
bool write_group_file(const std::string& path, std::string_view word);

// The number behind `name` in a file of such lines; 0 if it is not there.
uint64_t read_group_count(const std::string& path, std::string_view name);

} // namespace pm
