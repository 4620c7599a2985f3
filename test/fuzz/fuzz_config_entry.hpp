#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include <pm/config.hpp>

// The one entry of the fuzzer and of the seeded random test.

namespace pm {

// Reads `text` as a configuration and as a process of a request. What is
// refused must say why, at a place that is in the text. Gives the number of
// problems.
inline size_t read_any_config(std::string_view text) {
  size_t count = 0;
  auto check = [&](const auto& outcome) {
    if (outcome)
      return;
    count += outcome.error().size();
    if (outcome.error().empty())
      std::abort();
    for (auto& x : outcome.error())
      if (x.text.empty() || x.line < 0 || x.text.size() > 4096
          || static_cast<size_t>(x.column) > text.size() + 1)
        std::abort();
  };
  auto lookup = [](const std::string& name) {
    return name.size() < 4 ? std::optional<std::string>{"value"} : std::nullopt;
  };
  // Files are not this test's matter, and a pattern can be very slow.
  if (text.find("include") == std::string_view::npos
      && text.find("\\u") == std::string_view::npos)
    check(parse_config(text, "/nonexistent/fuzz.json", lookup));
  check(parse_process("fuzz", text, "/nonexistent"));
  return count;
}

} // namespace pm
