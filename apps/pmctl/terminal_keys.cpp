#include "apps/pmctl/terminal_keys.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace pm::ctl {

namespace {

constexpr size_t held_max = 16;
constexpr char escape_byte = 27;

struct sequence {
  std::string_view bytes; // behind Escape
  key_name name;
};

constexpr sequence sequences[] = {
  {"[A", key_name::up},       {"[B", key_name::down},
  {"[C", key_name::right},    {"[D", key_name::left},
  {"OA", key_name::up},       {"OB", key_name::down},
  {"OC", key_name::right},    {"OD", key_name::left},
  {"[5~", key_name::page_up}, {"[6~", key_name::page_down},
  {"[H", key_name::home},     {"[F", key_name::end},
  {"OH", key_name::home},     {"OF", key_name::end},
  {"[1~", key_name::home},    {"[4~", key_name::end},
};

bool is_final(char x) {
  return x >= 0x40 && x <= 0x7e;
}

// How long the sequence at the front of `text` is, which begins with Escape;
// none if it is not whole.
std::optional<size_t> sequence_size(std::string_view text) {
  if (text.size() < 2)
    return std::nullopt;
  if (text[1] == 'O')
    return text.size() < 3 ? std::nullopt : std::optional<size_t>{3};
  if (text[1] != '[')
    return 1; // Escape, and something else behind it
  auto end = std::find_if(text.begin() + 2, text.end(), is_final);
  if (end == text.end())
    return std::nullopt;
  return static_cast<size_t>(end - text.begin()) + 1;
}

std::optional<key_name> control_key(char x) {
  switch (x) {
  case '\r':
  case '\n':
    return key_name::enter;
  case 8:
  case 127:
    return key_name::backspace;
  case 3:
  case 4:
    return key_name::interrupt;
  case 26:
    return key_name::suspend;
  case 12:
    return key_name::redraw;
  default:
    return std::nullopt;
  }
}

size_t utf8_size(char first) {
  auto x = static_cast<unsigned char>(first);
  return x < 0x80 ? 1 : x >= 0xf0 ? 4 : x >= 0xe0 ? 3 : x >= 0xc0 ? 2 : 1;
}

} // namespace

std::vector<key> key_reader::feed(std::string_view bytes) {
  std::vector<key> keys;
  held_ += bytes;
  std::string_view left{held_};
  while (!left.empty()) {
    if (left[0] == escape_byte) {
      auto size = sequence_size(left);
      if (!size && left.size() <= held_max)
        break;
      auto whole = left.substr(1, size.value_or(left.size()) - 1);
      auto found = std::find_if(std::begin(sequences), std::end(sequences),
                                [&](auto& x) { return x.bytes == whole; });
      if (whole.empty())
        keys.push_back({key_name::escape, {}});
      else if (found != std::end(sequences))
        keys.push_back({found->name, {}});
      left.remove_prefix(whole.size() + 1);
      continue;
    }
    auto size = utf8_size(left[0]);
    if (size > left.size())
      break;
    if (auto name = control_key(left[0]))
      keys.push_back({*name, {}});
    else if (static_cast<unsigned char>(left[0]) >= 32)
      keys.push_back({key_name::text, std::string{left.substr(0, size)}});
    left.remove_prefix(size);
  }
  held_ = std::string{left};
  return keys;
}

std::vector<key> key_reader::settle() {
  auto was_escape = held_.size() == 1 && held_[0] == escape_byte;
  held_.clear();
  if (was_escape)
    return {{key_name::escape, {}}};
  return {};
}

} // namespace pm::ctl
