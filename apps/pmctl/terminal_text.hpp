#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Text on its way to people: no byte in it moves the cursor, changes colours
// or hides what stands there, and its width in columns is known.

namespace pm::ctl {

// Makes one line of any bytes: control characters, bytes that are not UTF-8
// and characters that turn the direction are written as \n, \x1b, \u202e.
std::string printable(std::string_view text);

// The columns that `text` takes on a terminal: 0 for combining characters, 2
// for wide ones.
size_t display_width(std::string_view text);

// Shortens `text` to at most `width` columns, with "…" where it was cut.
std::string cut_to_width(std::string_view text, size_t width);

// Does for a stream of chunks what `printable` does for a text, but keeps line
// ends and tabs. A character may be split between chunks.
class terminal_filter {
public:
  // Gives what can be shown of everything so far.
  std::string feed(std::string_view chunk);

  // Gives the rest, when nothing comes any more.
  std::string finish();

private:
  std::string held_; // the beginning of a character, at most 3 bytes
};

} // namespace pm::ctl
