#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <pm/error.hpp>
#include <pm/units.hpp>

namespace pm {

// The name of one run: a UUIDv7 (RFC 9562), made at its intent.
class run_id {
public:
  run_id() = default;
  explicit run_id(std::array<uint8_t, 16> bytes) : bytes_(bytes) {}

  // Makes a new one; `now` gives its first 48 bits, the kernel the rest.
  static run_id make(timestamp now);

  // Reads the text form; an empty text is the nil id. Errors:
  // invalid_argument.
  static expected<run_id> parse(std::string_view text);

  // The 36-character form in lower case; empty for the nil id.
  std::string str() const;

  const std::array<uint8_t, 16>& bytes() const noexcept { return bytes_; }

  explicit operator bool() const noexcept {
    return bytes_ != std::array<uint8_t, 16>{};
  }

  auto operator<=>(const run_id&) const = default;

private:
  std::array<uint8_t, 16> bytes_{};
};

struct run_id_hash {
  size_t operator()(const run_id& x) const noexcept;
};

// Checks `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`. Errors: invalid_argument, with
// the name and the rule.
expected<void> check_handle_id(std::string_view id);

// Makes a handle id for a run without a name: "run-" and 12 hex digits.
std::string make_handle_id();

// Makes a correlation id: 16 hex digits.
std::string make_correlation_id();

// True if `name` matches the shell pattern `pattern` (fnmatch(3)).
bool matches_glob(std::string_view pattern, std::string_view name);

// Signal number of "TERM", "SIGTERM" or "15". Errors: invalid_argument.
expected<int> parse_signal(std::string_view text);

// "TERM" for 15; the number in digits where it has no name.
std::string signal_name(int number);

} // namespace pm
