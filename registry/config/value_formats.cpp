#include "registry/config/value_formats.hpp"

#include <pm/ids.hpp>
#include <pm/units.hpp>

namespace pm::config {

namespace {

template <class T>
expected<void> outcome(expected<T> x) {
  if (!x)
    return tl::make_unexpected(std::move(x.error()));
  return {};
}

} // namespace

expected<std::optional<uint64_t>> parse_limit(std::string_view text) {
  if (text == "unlimited")
    return std::optional<uint64_t>{};
  auto size = parse_size(text);
  if (!size)
    return fail(ec::invalid_argument, "{}, or \"unlimited\"",
                size.error().text);
  return std::optional{*size};
}

expected<void> check_format(std::string_view name, std::string_view text) {
  if (name == "duration")
    return outcome(parse_duration(text));
  if (name == "signal")
    return outcome(parse_signal(text));
  if (name == "size") {
    auto size = parse_size(text);
    if (size && *size == 0)
      return fail(ec::invalid_argument, "a size is above 0");
    return outcome(std::move(size));
  }
  if (name == "limit")
    return outcome(parse_limit(text));
  return {};
}

} // namespace pm::config
