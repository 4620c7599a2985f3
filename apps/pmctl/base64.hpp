#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Base64 (RFC 4648, section 4, padded), in which the control protocol carries
// bytes.

namespace pm {

constexpr std::string_view base64_alphabet =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Writes `bytes` as base64 without line ends.
inline std::string to_base64(std::string_view bytes) {
  std::string out;
  out.resize((bytes.size() + 2) / 3 * 4, '=');
  auto at = [&](size_t i) -> uint32_t {
    return i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u;
  };
  for (size_t i = 0, o = 0; i < bytes.size(); i += 3, o += 4) {
    auto word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    auto digits = std::min<size_t>(bytes.size() - i, 3) + 1;
    for (size_t k = 0; k < digits; ++k)
      out[o + k] = base64_alphabet[word >> (18 - 6 * k) & 63];
  }
  return out;
}

// Reads what `to_base64` wrote; nothing if there is any other byte.
inline std::optional<std::string> from_base64(std::string_view text) {
  static constexpr auto values = [] {
    std::array<int8_t, 256> xs{};
    xs.fill(-1);
    for (size_t i = 0; i < base64_alphabet.size(); ++i)
      xs[static_cast<uint8_t>(base64_alphabet[i])] = static_cast<int8_t>(i);
    return xs;
  }();
  if (text.size() % 4 != 0)
    return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i)
    text.remove_suffix(1);
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t word = 0;
  int bits = 0;
  for (auto c : text) {
    auto value = values[static_cast<uint8_t>(c)];
    if (value < 0)
      return std::nullopt;
    word = word << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(word >> bits & 0xff);
    }
  }
  return out;
}

} // namespace pm
