#include "registry/config/expand.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <pm/json_fields.hpp>

namespace pm::config {

namespace {

constexpr int nesting_max = 16;

bool is_name(std::string_view text) {
  auto good = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text[0]))
         && std::all_of(text.begin(), text.end(), good);
}

// The '}' that closes the "${" before `begin`; npos if there is none.
size_t closing_brace(std::string_view text, size_t begin) {
  int open = 1;
  for (auto i = begin; i < text.size(); ++i) {
    if (text.substr(i, 2) == "${") {
      ++open;
      ++i;
    } else if (text[i] == '}' && --open == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

expected<std::string> expand_to(std::string_view text,
                                const environment_lookup& lookup, int depth);

// The value of what stands between "${" and "}".
expected<std::string> value_of(std::string_view inside,
                               const environment_lookup& lookup, int depth) {
  auto mark = inside.find(":-");
  std::string name{inside.substr(0, mark)};
  if (!is_name(name))
    return fail(ec::bad_config,
                "'${{{}}}' is not a variable: write ${{NAME}} or "
                "${{NAME:-default}}, and $$ for a $ that the shell is to see",
                inside);
  auto value = lookup(name);
  if (mark != std::string_view::npos) {
    if (value && !value->empty())
      return std::move(*value);
    if (depth >= nesting_max)
      return fail(ec::bad_config, "defaults within defaults, too deep");
    return expand_to(inside.substr(mark + 2), lookup, depth + 1);
  }
  if (!value)
    return fail(ec::bad_config,
                "the variable '{0}' is not set and has no default; "
                "${{{0}:-value}} gives one",
                name);
  return std::move(*value);
}

expected<std::string> expand_to(std::string_view text,
                                const environment_lookup& lookup, int depth) {
  std::string result;
  while (!text.empty()) {
    auto dollar = std::min(text.find('$'), text.size());
    result += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.starts_with("$$")) {
      result += '$';
      text.remove_prefix(2);
    } else if (text.starts_with("${")) {
      auto end = closing_brace(text, 2);
      if (end == std::string_view::npos)
        return fail(ec::bad_config,
                    "'${{' without '}}'; write $$ for a plain $");
      auto value = value_of(text.substr(2, end - 2), lookup, depth);
      if (!value)
        return value;
      result += *value;
      text.remove_prefix(end + 1);
    } else if (!text.empty()) {
      result += '$';
      text.remove_prefix(1);
    }
    if (result.size() > expanded_bytes_max)
      return fail(ec::bad_config, "longer than 1 MiB after expansion");
  }
  return result;
}

} // namespace

expected<std::string> expand(std::string_view text,
                             const environment_lookup& lookup) {
  return expand_to(text, lookup, 0);
}

void expand_strings(node& x, const environment_lookup& lookup,
                    problem_list& problems) {
  for (auto& child : x.children)
    expand_strings(child, lookup, problems);
  if (!x.is(node_type::string) || x.text.find('$') == std::string::npos)
    return;
  if (auto text = expand(x.text, lookup)) {
    x.text = std::move(*text);
  } else {
    problems.add(*x.from, x.offset, text.error().text);
    x.broken = true;
  }
}

void check_strings(node& x, problem_list& problems) {
  for (auto& child : x.children)
    check_strings(child, problems);
  auto check = [&](const std::string& text, size_t offset) {
    auto* wrong = text.find('\0') != std::string::npos
                    ? "a NUL character, which no program can be given"
                  : !json::is_utf8(text) ? "not valid UTF-8"
                                         : nullptr;
    if (wrong == nullptr)
      return;
    problems.add(*x.from, offset, wrong);
    x.broken = true;
  };
  check(x.key, x.key_offset);
  if (x.type == node_type::string)
    check(x.text, x.offset);
}

} // namespace pm::config

namespace pm {

environment_lookup process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    auto* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
  };
}

} // namespace pm
