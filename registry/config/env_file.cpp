#include "registry/config/env_file.hpp"

#include <algorithm>

#include <pm/json_fields.hpp>

namespace pm::config {

namespace {

constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Only blanks or a comment may follow a closing quote.
bool ends_well(std::string_view rest) {
  rest = trimmed(rest);
  return rest.empty() || rest.starts_with('#');
}

expected<std::string> unquote_single(std::string_view text) {
  auto end = text.find('\'', 1);
  if (end == std::string_view::npos)
    return fail(ec::bad_config, "the single quote is not closed");
  if (!ends_well(text.substr(end + 1)))
    return fail(ec::bad_config, "text after the closing quote");
  return std::string{text.substr(1, end - 1)};
}

expected<std::string> unquote_double(std::string_view text) {
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (!ends_well(text.substr(i + 1)))
        return fail(ec::bad_config, "text after the closing quote");
      return value;
    }
    if (text[i] != '\\') {
      value += text[i];
      continue;
    }
    auto next = ++i < text.size() ? text[i] : '\0';
    if (next == 'n')
      value += '\n';
    else if (next == 't')
      value += '\t';
    else if (next == '"' || next == '\\' || next == '$')
      value += next;
    else
      return fail(ec::bad_config, "bad escape: \\ stands before n, t, \", \\ "
                                  "or $");
  }
  return fail(ec::bad_config, "the double quote is not closed");
}

expected<std::string> value_of(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('\''))
    return unquote_single(text);
  if (text.starts_with('"'))
    return unquote_double(text);
  if (text.starts_with('#'))
    return std::string{};
  return std::string{trimmed(text.substr(0, text.find(" #")))};
}

} // namespace

void read_env_text(const source& from, std::map<std::string, std::string>& into,
                   problem_list& problems) {
  auto text = from.text();
  if (auto nul = text.find('\0'); nul != std::string_view::npos)
    return problems.add(from, nul, "a NUL byte; this is not a text file");
  for (size_t begin = 0; begin < text.size() && !problems.full();) {
    auto end = std::min(text.find('\n', begin), text.size());
    auto line = text.substr(begin, end - begin);
    auto start = begin + std::min(line.find_first_not_of(blanks), line.size());
    begin = end + 1;
    line = trimmed(line);
    if (line.empty() || line.starts_with('#'))
      continue;
    if (line.starts_with("export "))
      line = trimmed(line.substr(7));
    auto equals = line.find('=');
    auto key = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()
        || key.find_first_of(blanks) != std::string_view::npos) {
      problems.add(from, start, "expected KEY=VALUE, not " + in_quotes(line));
      continue;
    }
    auto value = value_of(line.substr(equals + 1));
    if (!value)
      problems.add(from, start,
                   fmt::format("{}: {}", in_quotes(key), value.error().text));
    else if (!json::is_utf8(key) || !json::is_utf8(*value))
      problems.add(from, start, "not valid UTF-8");
    else
      into.insert_or_assign(std::string{key}, std::move(*value));
  }
}

} // namespace pm::config
