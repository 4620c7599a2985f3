#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <tl/expected.hpp>

namespace pm {

// The one list of error codes: name, number, text. The number is on the wire
// and on disk, and is never given to another name.
#define PM_ERROR_CODES(X)                                                   \
  X(none, 0, "no error")                                                    \
  X(invalid_argument, 1, "a value that cannot be used")                     \
  X(no_such_process, 2, "no process has this handle id")                    \
  X(already_exists, 3, "the handle id is taken")                            \
  X(already_running, 4, "the process is alive")                             \
  X(not_running, 5, "the process is not alive")                             \
  X(transition_refused, 6, "the life cycle has no such step from here")     \
  X(spawn_failed, 7, "the program could not be started")                    \
  X(timeout, 8, "the deadline passed first")                                \
  X(busy, 9, "a bounded queue is full; try again later")                    \
  X(shutting_down, 10, "the node is going down and starts nothing")         \
  X(storage_failed, 11, "the state directory could not be read or written") \
  X(format_refused, 12, "written by a newer or a foreign program")          \
  X(locked, 13, "another node holds the state directory")                   \
  X(keeper_failed, 14, "the keeper could not be started or reached")        \
  X(protocol_violation, 15, "the peer broke the protocol")                  \
  X(not_permitted, 16, "the caller may not do this")                        \
  X(bad_config, 17, "the configuration has errors")                         \
  X(unreachable, 18, "no node answers at this place")                       \
  X(process_lost, 19, "the process ended and nobody saw how")               \
  X(system_failed, 20, "a system call failed")                              \
  X(not_supported, 21, "this version cannot do it")                         \
  X(cancelled, 22, "the request was withdrawn before it was done")          \
  X(call_failed, 23, "the function raised, or could not be called")

enum class ec : uint8_t {
#define PM_X(name, number, text) name = number,
  PM_ERROR_CODES(PM_X)
#undef PM_X
};

// Returns the name of `code`, as in "no_such_process".
std::string_view to_string(ec code) noexcept;

// Returns one general sentence about `code`.
std::string_view describe(ec code) noexcept;

// Finds the code named `name`; `ec::none` when there is none.
ec error_code_named(std::string_view name) noexcept;

// What went wrong: a code for programs, and a text that says what failed, for
// whom, which value, and what holds now.
struct error {
  ec code = ec::none;
  std::string text;

  bool operator==(const error&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit);
};

// The outcome of everything that can fail below `actors/`.
template <class T>
using expected = tl::expected<T, error>;

// Makes the failed outcome of code `code` with a formatted text.
template <class... Ts>
tl::unexpected<error> fail(ec code, fmt::format_string<Ts...> text,
                           Ts&&... xs) {
  return tl::make_unexpected(
    error{code, fmt::format(text, std::forward<Ts>(xs)...)});
}

// Makes a `system_failed` outcome: "<what>: <strerror(number)>".
tl::unexpected<error> fail_errno(int number, std::string_view what);

} // namespace pm
