#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pm/registry_store.hpp>

// A change as the payload of a record, and back.

namespace pm {

// The record's type on disk: the change's place in its variant, from 1.
inline uint8_t record_type(const change& x) noexcept {
  return static_cast<uint8_t>(x.index() + 1);
}

// Writes `x` as one line of JSON. Errors: invalid_argument (a number that JSON
// cannot say, or more than a record takes).
expected<std::string> encode_change(const change& x);

// Reads what `encode_change` wrote. Errors: format_refused.
expected<change> decode_change(uint8_t type, std::string_view payload);

} // namespace pm
