#include "registry/migrate/old_time.hpp"

#include <ctime>
#include <string>

namespace pm::migrate {

namespace {

bool same_wall_time(const std::tm& a, const std::tm& b) noexcept {
  return a.tm_year == b.tm_year && a.tm_mon == b.tm_mon
         && a.tm_mday == b.tm_mday && a.tm_hour == b.tm_hour
         && a.tm_min == b.tm_min && a.tm_sec == b.tm_sec;
}

// The moment at which clocks here show `wall`, given as if it were UTC.
timestamp from_local(timestamp wall) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  auto shown = static_cast<std::time_t>(seconds.time_since_epoch().count());
  std::tm fields{};
  ::gmtime_r(&shown, &fields);
  auto wanted = fields;
  fields.tm_isdst = -1;
  auto moment = std::mktime(&fields);
  // The earlier one proves less: a process that is taken for the recorded one
  // must not have started after it.
  for (std::time_t shift : {7200, 3600, 1800}) {
    auto earlier = moment - shift;
    std::tm then{};
    ::localtime_r(&earlier, &then);
    if (same_wall_time(then, wanted)) {
      moment = earlier;
      break;
    }
  }
  return timestamp{std::chrono::seconds{moment}} + (wall - seconds);
}

} // namespace

expected<timestamp> parse_old_time(std::string_view text) {
  if (auto x = parse_timestamp(text))
    return x;
  if (auto x = parse_timestamp(std::string{text} + "Z"))
    return from_local(*x);
  return fail(ec::invalid_argument, "not a time: ISO 8601 is expected, as in "
                                    "\"2026-11-22T23:04:05.678+01:00\"");
}

} // namespace pm::migrate
