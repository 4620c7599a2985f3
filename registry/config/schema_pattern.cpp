#include "registry/config/schema_pattern.hpp"

#include <map>
#include <regex.h>

namespace pm::config {

namespace {

// A compiled pattern. regexec(3) is linear in the text, where std::regex
// overflows the stack, and fast with bounded repeats, where RapidJSON's own
// engine is slow.
class pattern {
public:
  explicit pattern(const char* text)
    : good_(::regcomp(&compiled_, text, REG_EXTENDED | REG_NOSUB) == 0) {}

  pattern(const pattern&) = delete;
  pattern& operator=(const pattern&) = delete;

  ~pattern() {
    if (good_)
      ::regfree(&compiled_);
  }

  bool matches(const std::string& text) const {
    return good_ && ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

private:
  regex_t compiled_{};
  bool good_ = false;
};

} // namespace

bool matches_pattern(const char* text, const std::string& value) {
  thread_local std::map<const char*, pattern> compiled;
  return compiled.try_emplace(text, text).first->second.matches(value);
}

} // namespace pm::config
