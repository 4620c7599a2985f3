#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// The frames of a call; call_format.md says what they mean. Both sides use
// this.

namespace pm::calls {

// Bytes of one body, at most.
constexpr size_t body_max = 16u << 20;

constexpr size_t frame_head_size = 12;

enum class frame_kind : char { call = 'c', result = 'r', failure = 'e' };

struct frame_head {
  uint32_t size = 0; // of the body
  uint32_t number = 0;
  frame_kind kind = frame_kind::call;
};

std::array<char, frame_head_size> encode_head(const frame_head& head) noexcept;

// Reads a head: none if its kind or its zeros are wrong, or its size is above
// `body_max`. `bytes` has at least `frame_head_size`.
std::optional<frame_head> decode_head(std::string_view bytes) noexcept;

// A whole frame.
std::string encode_frame(frame_kind kind, uint32_t number,
                         std::string_view body);

} // namespace pm::calls
