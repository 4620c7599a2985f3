#pragma once

#include <string>

namespace pm {

// The file of this program, whatever has become of its path.
constexpr auto self_link = "/proc/self/exe";

// The path of this program; of one that has been replaced, the new one's.
std::string program_path();

// True if the file of this program is not at its path any more.
bool is_replaced();

// The keeper of the program `binary`: `chosen`, or where that is empty the one
// beside it. Empty if it is not there, or the process `keeper_pid` runs that
// very file: then there is nothing to replace it with.
std::string next_keeper(const std::string& binary, const std::string& chosen,
                        int keeper_pid);

} // namespace pm
