#pragma once

#include <string>

#include <pm/messages.hpp>

namespace pm {

// What became of one process of a request, as apps/control.md has it.
std::string outcome_json(const std::string& id, const change_outcome& x);
std::string outcome_json(const std::string& id, const error& why);
std::string outcome_json(const named_outcome& x);

} // namespace pm
