#include <pm/units.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/compile.h>

namespace pm {

namespace {

struct unit_row {
  std::string_view name;
  double factor;
};

constexpr unit_row duration_units[] = {
  {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3},
};

constexpr unit_row size_units[] = {
  {"", 1},          {"B", 1},          {"KB", 1e3},         {"MB", 1e6},
  {"GB", 1e9},      {"K", 1024},       {"KiB", 1024},       {"M", 1048576},
  {"MiB", 1048576}, {"G", 1073741824}, {"GiB", 1073741824},
};

// The longest duration there is: what a 32-bit count of seconds holds.
constexpr double duration_ms_max = 4294967295e3;

// Cuts "<number><letters>" off the front of `text`.
bool take_amount(std::string_view& text, double& number,
                 std::string_view& unit) {
  auto digits = text.find_first_not_of("0123456789.");
  if (digits == std::string_view::npos)
    digits = text.size();
  auto [end, error] = std::from_chars(text.data(), text.data() + digits, number,
                                      std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + digits)
    return false;
  auto rest = text.substr(digits);
  auto letters = rest.find_first_of("0123456789.");
  unit = rest.substr(0, letters);
  text = rest.substr(unit.size());
  return true;
}

const unit_row* find_unit(const unit_row* first, const unit_row* last,
                          std::string_view name) {
  for (; first != last; ++first)
    if (first->name == name)
      return first;
  return nullptr;
}

} // namespace

expected<milliseconds> parse_duration(std::string_view text) {
  if (text == "0")
    return milliseconds{0};
  auto rest = text;
  double total = 0;
  while (!rest.empty() || text.empty()) {
    double number = 0;
    std::string_view unit;
    auto* row =
      take_amount(rest, number, unit)
        ? find_unit(std::begin(duration_units), std::end(duration_units), unit)
        : nullptr;
    if (row == nullptr)
      return fail(ec::invalid_argument,
                  "'{}' is not a duration: write a number and ms, s, m, h or "
                  "d, as in \"500ms\" or \"1m30s\"",
                  text);
    total += number * row->factor;
  }
  if (total > duration_ms_max)
    return fail(ec::invalid_argument,
                "'{}' is too long a duration: at most 136 years", text);
  return milliseconds{std::llround(total)};
}

std::string format_duration(milliseconds x) {
  if (x.count() == 0)
    return "0s";
  if (x.count() < 0)
    return "-" + format_duration(-x);
  std::string text;
  auto rest = x.count();
  for (auto [name, size] :
       {std::pair{"d", 86'400'000L}, std::pair{"h", 3'600'000L},
        std::pair{"m", 60'000L}, std::pair{"s", 1000L}, std::pair{"ms", 1L}}) {
    if (rest >= size)
      text += fmt::format("{}{}", rest / size, name);
    rest %= size;
  }
  return text;
}

expected<uint64_t> parse_size(std::string_view text) {
  auto rest = text;
  double number = 0;
  std::string_view unit;
  auto* row = take_amount(rest, number, unit) && rest.empty()
                ? find_unit(std::begin(size_units), std::end(size_units), unit)
                : nullptr;
  if (row == nullptr)
    return fail(ec::invalid_argument,
                "'{}' is not a size: write a number and B, KB, MB, GB, KiB, "
                "MiB or GiB, as in \"64KiB\"",
                text);
  auto bytes = number * row->factor;
  if (bytes >= 9223372036854775807.0)
    return fail(ec::invalid_argument, "'{}' is too large a size", text);
  return static_cast<uint64_t>(std::llround(bytes));
}

std::string format_timestamp(timestamp x) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(x);
  auto ms = (x - seconds).count();
  auto day = std::chrono::floor<std::chrono::days>(seconds);
  std::chrono::year_month_day date{day};
  std::chrono::hh_mm_ss time{seconds - day};
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z"),
                     static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count(), ms);
}

namespace {

// Reads exactly `width` digits at the front of `text`.
bool take_digits(std::string_view& text, size_t width, int& value) {
  if (text.size() < width)
    return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + width, value);
  if (error != std::errc{} || end != text.data() + width || value < 0)
    return false;
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos)
    return false;
  text.remove_prefix(1);
  return true;
}

// Reads ".678" to milliseconds; further digits are dropped.
bool take_fraction(std::string_view& text, int& ms) {
  if (!take(text, "."))
    return true;
  int weight = 100;
  size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9';
       ++digits, weight /= 10, text.remove_prefix(1))
    ms += (text.front() - '0') * weight;
  return digits > 0;
}

// Reads "Z" or "+02:00" to minutes east of UTC.
bool take_zone(std::string_view& text, int& minutes) {
  if (take(text, "Zz"))
    return true;
  auto west = !text.empty() && text.front() == '-';
  int hour = 0;
  int minute = 0;
  if (!take(text, "+-") || !take_digits(text, 2, hour))
    return false;
  take(text, ":");
  if (!take_digits(text, 2, minute))
    return false;
  minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

} // namespace

expected<timestamp> parse_timestamp(std::string_view text) {
  auto rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int ms = 0, zone = 0;
  auto good = take_digits(rest, 4, year) && take(rest, "-")
              && take_digits(rest, 2, month) && take(rest, "-")
              && take_digits(rest, 2, day) && take(rest, "Tt ")
              && take_digits(rest, 2, hour) && take(rest, ":")
              && take_digits(rest, 2, minute) && take(rest, ":")
              && take_digits(rest, 2, second) && take_fraction(rest, ms)
              && take_zone(rest, zone) && rest.empty();
  std::chrono::year_month_day date{std::chrono::year{year},
                                   std::chrono::month(unsigned(month)),
                                   std::chrono::day(unsigned(day))};
  if (!good || !date.ok() || hour > 23 || minute > 59 || second > 60)
    return fail(ec::invalid_argument,
                "'{}' is not a time: write RFC 3339, as in "
                "\"2026-11-22T23:04:05Z\"",
                text);
  return timestamp{std::chrono::sys_days{date}} + std::chrono::hours{hour}
         + std::chrono::minutes{minute - zone} + std::chrono::seconds{second}
         + milliseconds{ms};
}

std::string format_age(milliseconds x) {
  auto seconds = std::max<int64_t>(x.count(), 0) / 1000;
  auto days = seconds / 86400;
  auto hours = seconds / 3600 % 24;
  auto minutes = seconds / 60 % 60;
  if (days > 0)
    return fmt::format("{}d{:02}h", days, hours);
  if (hours > 0)
    return fmt::format("{}h{:02}m", hours, minutes);
  if (minutes > 0)
    return fmt::format("{}m{:02}s", minutes, seconds % 60);
  return fmt::format("{}s", seconds);
}

} // namespace pm
