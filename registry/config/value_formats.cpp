#include "registry/config/value_formats.hpp"

#include <charconv>
#include <cmath>

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

expected<double> parse_cores(std::string_view text) {
  double value = 0;
  auto* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, value);
  auto is_percentage = at + 1 == end && *at == '%';
  if (error != std::errc{} || !is_percentage || !(value > 0)
      || !std::isfinite(value))
    return fail(ec::invalid_argument,
                "'{}' is not a number of cores: write a number above 0, or a "
                "share of one core, as in \"50%\"",
                text);
  return value / 100;
}

std::optional<int> parse_umask(std::string_view text) {
  int mask = 0;
  auto* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, mask, 8);
  if (text.empty() || error != std::errc{} || at != end)
    return std::nullopt;
  return mask;
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
  if (name == "cores")
    return outcome(parse_cores(text));
  return {};
}

} // namespace pm::config
