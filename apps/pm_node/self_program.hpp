#pragma once

#include <string>

namespace pm {

// The file of this program, whatever has become of its path.
constexpr auto self_link = "/proc/self/exe";

// The path of this program; of one that has been replaced, the new one's.
std::string program_path();

// True if the file of this program is not at its path any more.
bool is_replaced();

// The keeper beside the program `binary` if its file is another one than the
// process `keeper_pid` runs; else empty: there is nothing to replace it with.
std::string next_keeper(const std::string& binary, int keeper_pid);

} // namespace pm
