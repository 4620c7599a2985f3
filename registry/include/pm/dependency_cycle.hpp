#pragma once

#include <map>
#include <string>
#include <vector>

#include <pm/record.hpp>

namespace pm {

// Who names whom, by name.
using needs_by_name = std::map<std::string, std::vector<std::string>>;

// Gives one cycle, its first name again at the end ("a", "b", "a"); empty if
// there is none. Names that are no key depend on nobody.
std::vector<std::string> find_cycle(const needs_by_name& needs);

// "a -> b -> a".
std::string cycle_text(const std::vector<std::string>& names);

// The name that the replicas of a process share; empty for one that is none.
std::string replica_base(const process_definition& x);

// What the processes depend on, where all replicas of a name are one.
needs_by_name needs_of(const std::vector<process_definition>& processes);

} // namespace pm
