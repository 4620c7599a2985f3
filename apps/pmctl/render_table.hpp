#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// Tables and colours; pure functions, which know a terminal only by
// `look`.

namespace pm::ctl {

// What the output may look like.
struct look {
  bool colour = false;
  bool terminal = false; // a person sees it
  size_t width = 0;      // columns; 0 where nothing is to be cut
};

// SGR foreground colours.
enum class hue : int {
  none = 0,
  faint = 2,
  red = 31,
  green = 32,
  yellow = 33,
  blue = 34,
  magenta = 35,
  cyan = 36,
};

// `text` in this colour, where there are colours.
std::string coloured(std::string_view text, hue with, const look& how);

struct column {
  std::string title;
  bool right = false; // numbers
};

struct cell {
  std::string text; // printable
  hue colour = hue::none;
};

// Lays out `rows` under their titles, two spaces between the columns. Where
// the width is bounded, the last column gives way first, then the first one.
std::string render_table(const std::vector<column>& columns,
                         const std::vector<std::vector<cell>>& rows,
                         const look& how);

} // namespace pm::ctl
