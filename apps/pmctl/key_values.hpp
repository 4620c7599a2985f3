#pragma once

#include <map>
#include <string>
#include <vector>

#include <pm/error.hpp>

namespace pm::ctl {

// Reads "KEY=VALUE" words, the later one of a key winning; `option` names the
// option in errors. Errors: invalid_argument.
inline expected<std::map<std::string, std::string>>
parse_pairs(const std::vector<std::string>& words, std::string_view option) {
  std::map<std::string, std::string> pairs;
  for (auto& word : words) {
    auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ec::invalid_argument, "{} {}: KEY=VALUE expected", option,
                  word);
    pairs.insert_or_assign(word.substr(0, equals), word.substr(equals + 1));
  }
  return pairs;
}

} // namespace pm::ctl
