#include "runtime/calls/call_frame.hpp"

#include <cstring>

namespace pm::calls {

namespace {

void put_u32(char* to, uint32_t x) noexcept {
  for (int i = 0; i < 4; ++i)
    to[i] = static_cast<char>(x >> (8 * i));
}

uint32_t u32_at(const char* from) noexcept {
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i)
    result |= uint32_t{static_cast<uint8_t>(from[i])} << (8 * i);
  return result;
}

} // namespace

std::array<char, frame_head_size> encode_head(const frame_head& head) noexcept {
  std::array<char, frame_head_size> result{};
  put_u32(result.data(), head.size);
  put_u32(result.data() + 4, head.number);
  result[8] = static_cast<char>(head.kind);
  return result;
}

std::optional<frame_head> decode_head(std::string_view bytes) noexcept {
  frame_head result{u32_at(bytes.data()), u32_at(bytes.data() + 4),
                    static_cast<frame_kind>(bytes[8])};
  auto is_kind = result.kind == frame_kind::call
                 || result.kind == frame_kind::result
                 || result.kind == frame_kind::failure;
  if (!is_kind || result.size > body_max
      || bytes.substr(9, 3) != std::string_view{"\0\0\0", 3})
    return std::nullopt;
  return result;
}

std::string encode_frame(frame_kind kind, uint32_t number,
                         std::string_view body) {
  auto head = encode_head({static_cast<uint32_t>(body.size()), number, kind});
  std::string result;
  result.reserve(head.size() + body.size());
  result.append(head.data(), head.size()).append(body);
  return result;
}

} // namespace pm::calls
