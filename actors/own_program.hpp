#pragma once

#include <map>
#include <string>
#include <string_view>

// What this program passes on to those that it starts.

namespace pm {

// Its environment, without what names a run of ours.
std::map<std::string, std::string> inherited_environment();

std::string current_directory();

// The path of its executable.
std::string own_program();

// A program of ours: beside `program`, or (its bare name) installed.
std::string sibling(const std::string& program, std::string_view name);

} // namespace pm
