#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <pm/error.hpp>

namespace pm {

using std::chrono::milliseconds;

// A point in wall-clock time, in UTC.
using timestamp = std::chrono::sys_time<milliseconds>;

// Reads "500ms", "10s", "5m", "2h", "1d" or a sum such as "1m30s". A fraction
// ("1.5s") is allowed; a bare number other than 0 is not. Errors:
// invalid_argument.
expected<milliseconds> parse_duration(std::string_view text);

// Writes the shortest text that `parse_duration` reads back: "1m30s".
std::string format_duration(milliseconds x);

// Reads "64KiB", "50MB", "1GiB", "100" (bytes). KB, MB and GB are powers of
// 1000; KiB, MiB, GiB (and K, M, G) powers of 1024. Errors: invalid_argument.
expected<uint64_t> parse_size(std::string_view text);

// Writes RFC 3339 in UTC with milliseconds: "2026-11-22T23:04:05.678Z".
std::string format_timestamp(timestamp x);

// Reads what `format_timestamp` writes, with or without a fraction, and with
// any numeric zone. Errors: invalid_argument.
expected<timestamp> parse_timestamp(std::string_view text);

// Writes an age as people read it: "3m12s", "4h07m", "12d03h".
std::string format_age(milliseconds x);

} // namespace pm
