#include "registry/config/config_source.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pm {

std::string to_string(const config_problem& x) {
  auto file = x.file.empty() ? std::string_view{"spec"} : x.file;
  if (x.line == 0)
    return fmt::format("{}: {}", file, x.text);
  return fmt::format("{}:{}:{}: {}", file, x.line, x.column, x.text);
}

std::string to_string(const config_problems& xs) {
  std::string all;
  for (auto& x : xs) {
    if (!all.empty())
      all += '\n';
    all += to_string(x);
  }
  return all;
}

namespace config {

source::source(std::string shown, std::string dir, std::string text,
               size_t number)
  : shown_(std::move(shown)),
    dir_(std::move(dir)),
    text_(std::move(text)),
    number_(number) {
  line_starts_.push_back(0);
  for (size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n')
      line_starts_.push_back(i + 1);
}

config_problem source::problem_at(size_t offset, std::string text) const {
  offset = std::min(offset, text_.size());
  auto after =
    std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  auto start = *std::prev(after);
  // Columns count characters: every byte that does not continue one.
  auto column = std::count_if(
    text_.begin() + static_cast<std::ptrdiff_t>(start),
    text_.begin() + static_cast<std::ptrdiff_t>(offset),
    [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  return {shown_, static_cast<int>(after - line_starts_.begin()),
          static_cast<int>(column) + 1, std::move(text)};
}

std::string source::place(size_t offset) const {
  auto x = problem_at(offset, {});
  return fmt::format("{}:{}:{}", shown_.empty() ? "spec" : shown_, x.line,
                     x.column);
}

void problem_list::add(const source& where, size_t offset, std::string text) {
  if (!full())
    add_row(
      {where.number(), offset, where.problem_at(offset, std::move(text))});
}

void problem_list::add_unread(size_t number, const std::string& shown,
                              std::string text) {
  if (!full())
    add_row({number, 0, {shown, 0, 0, std::move(text)}});
}

void problem_list::add_row(row x) {
  // What stands in `defaults` is seen again with every process.
  for (auto& known : rows_)
    if (known.problem == x.problem)
      return;
  rows_.push_back(std::move(x));
}

config_problems problem_list::take() {
  std::stable_sort(rows_.begin(), rows_.end(), [](auto& a, auto& b) {
    return std::tie(a.number, a.offset) < std::tie(b.number, b.offset);
  });
  config_problems result;
  for (auto& x : rows_)
    result.push_back(std::move(x.problem));
  rows_.clear();
  return result;
}

namespace {

constexpr size_t shown_bytes_max = 60;

std::string enclosed(std::string_view text, char quote) {
  std::string result(1, quote);
  size_t i = 0;
  for (; i < text.size() && i < shown_bytes_max; ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n')
      result += "\\n";
    else if (c < 0x20 || c == 0x7f)
      result += fmt::format("\\u{:04x}", c);
    else
      result += text[i];
  }
  // Not into the middle of a character.
  for (; i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80
         && i < shown_bytes_max + 4;
       ++i)
    result += text[i];
  if (i < text.size())
    result += "...";
  return result + quote;
}

// Changed, missing, added and swapped letters between two words.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      auto changed = last[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

} // namespace

std::string in_quotes(std::string_view text) {
  return enclosed(text, '\'');
}

std::string in_double_quotes(std::string_view text) {
  return enclosed(text, '"');
}

std::string_view nearest_name(std::string_view word,
                              const std::vector<std::string_view>& known) {
  std::string_view best;
  // Farther than a third of the word is another word.
  auto best_distance = std::max<size_t>(word.size() / 3, 1) + 1;
  if (word.size() > shown_bytes_max)
    return best;
  for (auto name : known)
    if (auto distance = edit_distance(word, name); distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  return best;
}

std::string suggestion(std::string_view word,
                       const std::vector<std::string_view>& known) {
  auto name = nearest_name(word, known);
  return name.empty() ? std::string{}
                      : fmt::format("; did you mean '{}'?", name);
}

} // namespace config

} // namespace pm
