#pragma once

#include <map>
#include <string>
#include <string_view>

#include <pm/error.hpp>
#include <pm/record.hpp>

namespace pm {

// Writes `x` as one line of JSON (UTF-8). Strings that are not valid UTF-8
// have their bad bytes replaced by U+FFFD. Instantiated for the structs of
// <pm/record.hpp>, <pm/spec.hpp> and <pm/status.hpp>.
template <class T>
std::string to_json(const T& x);

// Reads what `to_json` wrote. A missing field keeps its default, an unknown
// one is passed over (a newer writer), a wrong type is an error that names the
// field. Errors: format_refused.
template <class T>
expected<T> from_json(std::string_view text);

// Checks that `text` is one JSON value: UTF-8, nested 500 deep at most, no
// number above 1e307. Errors: format_refused, with the byte.
expected<void> check_json(std::string_view text);

// Checks a call: a name, `args` an array and `kwargs` an object (or empty).
// Errors: invalid_argument, naming the field.
expected<void> check_call(const call_spec& call);

// Checks that these can be a process's variables. Errors: invalid_argument.
expected<void>
check_environment(const std::map<std::string, std::string>& variables);

// Checks that all strings of `spec` can be kept and passed to exec: valid
// UTF-8, no NUL, a non-empty argv. Errors: invalid_argument, naming the field.
expected<void> check_spec(const process_spec& spec);

} // namespace pm
