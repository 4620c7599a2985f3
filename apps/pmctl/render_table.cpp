#include "apps/pmctl/render_table.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

constexpr size_t gap = 2;
constexpr size_t column_min = 8;

std::vector<size_t> natural_widths(const std::vector<column>& columns,
                                   const std::vector<std::vector<cell>>& rows) {
  std::vector<size_t> widths;
  widths.reserve(columns.size());
  for (auto& x : columns)
    widths.push_back(display_width(x.title));
  for (auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], display_width(row[i].text));
  return widths;
}

// Takes what is too much from one column, down to a minimum.
void shrink(size_t& width, size_t& excess) {
  auto taken = std::min(excess, width - std::min(width, column_min));
  width -= taken;
  excess -= taken;
}

void fit(std::vector<size_t>& widths, size_t limit) {
  auto total = std::accumulate(widths.begin(), widths.end(), size_t{0})
               + gap * (widths.size() - 1);
  auto excess = total - std::min(total, limit);
  shrink(widths.back(), excess);
  shrink(widths.front(), excess);
}

void append_row(std::string& out, const std::vector<column>& columns,
                const std::vector<cell>& row, const std::vector<size_t>& widths,
                const look& how) {
  for (size_t i = 0; i < row.size(); ++i) {
    auto is_last = i + 1 == row.size();
    // Only a bounded table cuts; nothing follows the last column.
    auto text =
      how.width > 0 ? cut_to_width(row[i].text, widths[i]) : row[i].text;
    auto pad = widths[i] - std::min(widths[i], display_width(text));
    if (columns[i].right)
      out.append(pad, ' ');
    out += coloured(text, row[i].colour, how);
    if (!columns[i].right && !is_last)
      out.append(pad, ' ');
    if (!is_last)
      out.append(gap, ' ');
  }
  out += '\n';
}

} // namespace

std::string coloured(std::string_view text, hue with, const look& how) {
  if (!how.colour || with == hue::none)
    return std::string{text};
  return fmt::format("\x1b[{}m{}\x1b[0m", static_cast<int>(with), text);
}

std::string render_table(const std::vector<column>& columns,
                         const std::vector<std::vector<cell>>& rows,
                         const look& how) {
  if (columns.empty())
    return {};
  auto widths = natural_widths(columns, rows);
  if (how.width > 0)
    fit(widths, how.width);
  std::vector<cell> titles;
  for (auto& x : columns)
    titles.push_back({x.title, hue::faint});
  std::string out;
  append_row(out, columns, titles, widths, how);
  for (auto& row : rows)
    append_row(out, columns, row, widths, how);
  return out;
}

} // namespace pm::ctl
