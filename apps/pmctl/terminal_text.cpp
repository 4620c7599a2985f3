#include "apps/pmctl/terminal_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace pm::ctl {

namespace {

struct character {
  uint32_t code = 0;
  size_t length = 0;       // 0: not UTF-8
  bool incomplete = false; // good as far as it goes
};

// Decodes the character at the front of `text`, which is not empty.
character decode(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  auto first = byte(0);
  if (first < 0x80)
    return {first, 1, false};
  if (first < 0xc2 || first > 0xf4)
    return {};
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size())
      return {0, 0, true};
    auto low = i > 1           ? 0x80
               : first == 0xe0 ? 0xa0
               : first == 0xf0 ? 0x90
                               : 0x80;
    auto high = i > 1           ? 0xbf
                : first == 0xed ? 0x9f
                : first == 0xf4 ? 0x8f
                                : 0xbf;
    if (byte(i) < low || byte(i) > high)
      return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  return {code, length, false};
}

struct range {
  uint32_t first;
  uint32_t last;
};

constexpr std::array zero_width{
  range{0x0300, 0x036f}, range{0x0483, 0x0489},  range{0x0591, 0x05bd},
  range{0x0610, 0x061a}, range{0x064b, 0x065f},  range{0x0e31, 0x0e31},
  range{0x0e34, 0x0e3a}, range{0x0e47, 0x0e4e},  range{0x1ab0, 0x1aff},
  range{0x1dc0, 0x1dff}, range{0x200b, 0x200d},  range{0x20d0, 0x20ff},
  range{0x3099, 0x309a}, range{0xfe00, 0xfe0f},  range{0xfe20, 0xfe2f},
  range{0xfeff, 0xfeff}, range{0xe0100, 0xe01ef}};

constexpr std::array wide{
  range{0x1100, 0x115f},   range{0x231a, 0x231b},   range{0x23e9, 0x23ec},
  range{0x25fd, 0x25fe},   range{0x2614, 0x2615},   range{0x2705, 0x2705},
  range{0x274c, 0x274c},   range{0x2753, 0x2757},   range{0x2e80, 0x303e},
  range{0x3041, 0x33ff},   range{0x3400, 0x4dbf},   range{0x4e00, 0xa4cf},
  range{0xa960, 0xa97f},   range{0xac00, 0xd7a3},   range{0xf900, 0xfaff},
  range{0xfe30, 0xfe6f},   range{0xff00, 0xff60},   range{0xffe0, 0xffe6},
  range{0x1f300, 0x1f64f}, range{0x1f680, 0x1f6ff}, range{0x1f900, 0x1f9ff},
  range{0x20000, 0x3fffd}};

template <size_t N>
bool is_in(const std::array<range, N>& ranges, uint32_t code) {
  auto found = std::lower_bound(
    ranges.begin(), ranges.end(), code,
    [](const range& x, uint32_t value) { return x.last < value; });
  return found != ranges.end() && found->first <= code;
}

size_t width_of(uint32_t code) {
  return is_in(zero_width, code) ? 0 : is_in(wide, code) ? 2 : 1;
}

// Marks, embeddings, overrides and isolates turn the direction of what
// follows; separators end a line without a control byte.
bool misleads(uint32_t code) {
  return code == 0x061c || code == 0x200e || code == 0x200f
         || (code >= 0x2028 && code <= 0x202e)
         || (code >= 0x2066 && code <= 0x2069);
}

void append_escaped(std::string& out, uint32_t code) {
  if (code == '\n')
    out += "\\n";
  else if (code == '\t')
    out += "\\t";
  else if (code == '\r')
    out += "\\r";
  else if (code < 0x100)
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", code);
  else
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
}

void append_shown(std::string& out, std::string_view bytes, uint32_t code,
                  bool keeps_lines) {
  auto is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  if (keeps_lines && (code == '\n' || code == '\t'))
    out += bytes;
  else if (is_control || misleads(code))
    append_escaped(out, code);
  else
    out += bytes;
}

// Appends what can be shown of `text`, and returns what is left: the beginning
// of a character.
std::string_view append_all(std::string& out, std::string_view text,
                            bool keeps_lines) {
  while (!text.empty()) {
    auto c = decode(text);
    if (c.incomplete)
      return text;
    // "\r\n" is a line end and no more.
    if (keeps_lines && c.code == '\r' && c.length == 1) {
      if (text.size() == 1)
        return text;
      if (text[1] == '\n') {
        text.remove_prefix(1);
        continue;
      }
    }
    if (c.length == 0)
      append_escaped(out, static_cast<uint8_t>(text[0]));
    else
      append_shown(out, text.substr(0, c.length), c.code, keeps_lines);
    text.remove_prefix(std::max<size_t>(c.length, 1));
  }
  return text;
}

// True for most texts, which are then done with at once.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= 0x20 && c < 0x7f; });
}

void append_bytes(std::string& out, std::string_view bytes) {
  for (auto c : bytes)
    append_escaped(out, static_cast<uint8_t>(c));
}

} // namespace

std::string printable(std::string_view text) {
  if (is_plain(text))
    return std::string{text};
  std::string out;
  out.reserve(text.size());
  append_bytes(out, append_all(out, text, false));
  return out;
}

size_t display_width(std::string_view text) {
  if (is_plain(text))
    return text.size();
  size_t width = 0;
  while (!text.empty()) {
    auto c = decode(text);
    width += c.length == 0 ? 1 : width_of(c.code);
    text.remove_prefix(std::max<size_t>(c.length, 1));
  }
  return width;
}

std::string cut_to_width(std::string_view text, size_t width) {
  if (display_width(text) <= width)
    return std::string{text};
  if (width == 0)
    return {};
  size_t used = 0;
  size_t at = 0;
  while (at < text.size()) {
    auto c = decode(text.substr(at));
    auto columns = c.length == 0 ? 1 : width_of(c.code);
    if (used + columns > width - 1)
      break;
    used += columns;
    at += std::max<size_t>(c.length, 1);
  }
  return std::string{text.substr(0, at)} + "…";
}

std::string terminal_filter::feed(std::string_view chunk) {
  std::string joined;
  if (!held_.empty()) {
    joined = held_;
    joined += chunk;
    chunk = joined;
  }
  std::string out;
  out.reserve(chunk.size());
  std::string rest{append_all(out, chunk, true)};
  held_ = std::move(rest);
  return out;
}

std::string terminal_filter::finish() {
  std::string out;
  append_bytes(out, held_);
  held_.clear();
  return out;
}

} // namespace pm::ctl
