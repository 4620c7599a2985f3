#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pm::ctl {

enum class key_name : uint8_t {
  text, // what was typed is in `key::text`
  up,
  down,
  left,
  right,
  page_up,
  page_down,
  home,
  end,
  enter,
  escape,
  backspace,
  interrupt, // Ctrl-C, Ctrl-D
  suspend,   // Ctrl-Z
  redraw,    // Ctrl-L
};

struct key {
  key_name name = key_name::text;
  std::string text; // one character

  bool operator==(const key&) const = default;
};

// Makes keys of the bytes that a terminal sends. Pure.
class key_reader {
public:
  // Gives the keys that are whole; the beginning of one is kept.
  std::vector<key> feed(std::string_view bytes);

  // True if a byte that begins a key has come, and no more. When nothing
  // follows for a moment it was Escape itself: see `settle`.
  bool is_waiting() const noexcept { return !held_.empty(); }

  // Nothing has followed: gives what was held as Escape, or drops it.
  std::vector<key> settle();

private:
  std::string held_; // at most 16 bytes
};

} // namespace pm::ctl
