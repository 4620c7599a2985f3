#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <pm/config.hpp>

namespace pm::config {

// The text of one file, and where in it things are.
class source {
public:
  // `shown` is the path as messages print it, `dir` the absolute directory
  // that relative paths in it are relative to, `number` its rank among the
  // files of one load.
  source(std::string shown, std::string dir, std::string text, size_t number);

  source(const source&) = delete;
  source& operator=(const source&) = delete;

  const std::string& shown() const noexcept { return shown_; }

  const std::string& dir() const noexcept { return dir_; }

  std::string_view text() const noexcept { return text_; }

  size_t number() const noexcept { return number_; }

  // Line and column of a byte, with the file's name and `text`.
  config_problem problem_at(size_t offset, std::string text) const;

  // "conf/x.json:3:5", for messages that name a second place.
  std::string place(size_t offset) const;

private:
  std::string shown_;
  std::string dir_;
  std::string text_;
  size_t number_ = 0;
  std::vector<size_t> line_starts_;
};

// Gathers what is wrong: at most `problems_max`, each once.
class problem_list {
public:
  static constexpr size_t problems_max = 100;

  void add(const source& where, size_t offset, std::string text);

  // Adds a problem of a file that could not be read.
  void add_unread(size_t number, const std::string& shown, std::string text);

  bool empty() const noexcept { return rows_.empty(); }

  bool full() const noexcept { return rows_.size() >= problems_max; }

  // Gives all in order of file and place, and is empty afterwards.
  config_problems take();

private:
  struct row {
    size_t number = 0;
    size_t offset = 0;
    config_problem problem;
  };

  void add_row(row x);

  std::vector<row> rows_;
};

// `text` in single quotes, cut and with control characters escaped, so that
// any key or value can be shown.
std::string in_quotes(std::string_view text);

// The same in double quotes, as it would stand in the file.
std::string in_double_quotes(std::string_view text);

// The name of `known` nearest to `word`; empty if none is near enough to be
// what was meant.
std::string_view nearest_name(std::string_view word,
                              const std::vector<std::string_view>& known);

// "; did you mean 'x'?" for the nearest name, or nothing.
std::string suggestion(std::string_view word,
                       const std::vector<std::string_view>& known);

} // namespace pm::config
