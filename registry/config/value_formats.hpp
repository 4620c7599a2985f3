#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <pm/error.hpp>

// The formats of strings that the schema names, and how they are read.

namespace pm::config {

// Reads a resource limit: "unlimited" (no value) or a size.
expected<std::optional<uint64_t>> parse_limit(std::string_view text);

// Reads a share of the machine's cores, above 0: "50%" is half of one core.
expected<double> parse_cores(std::string_view text);

// Reads an octal number as in "027"; none if it is not one.
std::optional<int> parse_umask(std::string_view text);

// Checks `text` by the schema's format `name`: duration, signal, size, limit
// or cores. Any other name fits all. Errors: invalid_argument, with the text
// and the rule.
expected<void> check_format(std::string_view name, std::string_view text);

} // namespace pm::config
