#pragma once

#include <string_view>

#include <pm/units.hpp>

namespace pm::migrate {

// Reads an ISO time, with or without fraction and zone. Without a zone it is
// local time; of an hour that the end of summer time repeats, the earlier one
// is taken. Errors: invalid_argument.
expected<timestamp> parse_old_time(std::string_view text);

} // namespace pm::migrate
