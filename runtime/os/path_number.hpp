#pragma once

#include <cstdint>
#include <string_view>

namespace pm {

// A number for a directory, so that what belongs to it elsewhere has a short
// name of its own (FNV-1a).
constexpr uint64_t path_number(std::string_view path) noexcept {
  uint64_t hash = 14695981039346656037ull;
  for (auto c : path)
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

} // namespace pm
