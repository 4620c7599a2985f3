#pragma once

#include <optional>
#include <string>

#include <pm/fields.hpp>

// What a call of a function gives back.

namespace pm {

// A JSON value as its text. In JSON it stands as that value, not as a string.
struct json_text {
  std::string text; // one valid value; empty: null

  bool operator==(const json_text&) const = default;
};

// An exception that ended a call.
struct call_failure {
  std::string type; // as the language names it: "ValueError"
  std::string message;
  std::string traceback; // may be empty

  bool operator==(const call_failure&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("type", x.type), field("message", x.message),
                 field("traceback", x.traceback));
  }
};

// Either what the function returned, or why it did not.
struct call_outcome {
  json_text value;
  std::optional<call_failure> failure;

  bool operator==(const call_outcome&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("value", x.value), field("failure", x.failure));
  }
};

} // namespace pm
