#pragma once

#include <string>

namespace pm {

// The type of the exception that is being handled, as C++ writes it.
std::string type_of_exception();

} // namespace pm
