#pragma once

#include <string>
#include <string_view>

#include <pm/config.hpp>
#include <pm/error.hpp>

#include "registry/config/config_node.hpp"

namespace pm::config {

// The longest that a string may become.
constexpr size_t expanded_bytes_max = 1u << 20;

// Replaces ${NAME}, ${NAME:-default} (used where NAME is unset or empty; may
// hold ${...} itself) and $$ (a single $). Any other $ stays. Errors:
// bad_config: unset without a default, a bad name, no closing brace.
expected<std::string> expand(std::string_view text,
                             const environment_lookup& lookup);

// Expands every string below `x` in place. What cannot be expanded is added to
// `problems` and marked as broken.
void expand_strings(node& x, const environment_lookup& lookup,
                    problem_list& problems);

// Finds keys and strings that no program could be given: with a NUL, or not
// valid UTF-8. They are added to `problems` and marked as broken.
void check_strings(node& x, problem_list& problems);

} // namespace pm::config
