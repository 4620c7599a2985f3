#include "actors/schedule_clock.hpp"

#include <algorithm>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>
#include <fmt/core.h>

#include <pm/cron.hpp>

namespace pm {

namespace {

using std::chrono::seconds;

// The clocks are never changed by more.
constexpr int change_max_hours = 3;

// Every pair of date and weekday comes within that many years.
constexpr int years_max = 29;

int weekday_of(cctz::civil_day day) {
  // cctz counts from Monday.
  return (static_cast<int>(cctz::get_weekday(day)) + 1) % 7;
}

// The earliest instant after `after` at which the wall shows `at`.
std::optional<timestamp> instant_of(const cctz::time_zone& zone,
                                    const cron_expression& cron,
                                    cctz::civil_minute at, timestamp after) {
  auto found = zone.lookup(cctz::civil_second{at});
  auto of = [](auto point) { return timestamp{point.time_since_epoch()}; };
  std::optional<timestamp> result;
  auto take = [&](timestamp x) {
    if (x > after && (!result || x < *result))
      result = x;
  };
  switch (found.kind) {
  case cctz::time_zone::civil_lookup::UNIQUE:
    take(of(found.pre));
    break;
  case cctz::time_zone::civil_lookup::SKIPPED:
    if (cron.is_fixed())
      take(of(found.trans));
    break;
  case cctz::time_zone::civil_lookup::REPEATED:
    take(of(found.pre));
    if (!cron.is_fixed())
      take(of(found.post));
    break;
  }
  return result;
}

std::optional<timestamp> next_cron(const cron_expression& cron,
                                   const cctz::time_zone& zone,
                                   timestamp after) {
  auto instant = std::chrono::time_point<std::chrono::system_clock, seconds>{
    std::chrono::floor<seconds>(after.time_since_epoch())};
  auto begin =
    cctz::civil_minute{cctz::convert(instant, zone)} - change_max_hours * 60;
  auto last_day = cctz::civil_day{begin} + 366 * years_max;
  std::optional<timestamp> best;
  cctz::civil_minute enough; // with `best`: nothing later can come before it
  for (cctz::civil_day day{begin}; day <= last_day; ++day) {
    if (!cron.has_day(day.month(), day.day(), weekday_of(day)))
      continue;
    for (int hour = 0; hour < 24; ++hour) {
      if (!cron.has_hour(hour))
        continue;
      for (int minute = 0; minute < 60; ++minute) {
        cctz::civil_minute at{day.year(), day.month(), day.day(), hour, minute};
        if (!cron.has_minute(minute) || at < begin)
          continue;
        if (best && at > enough)
          return best;
        auto found = instant_of(zone, cron, at, after);
        if (!found || (best && *found >= *best))
          continue;
        best = found;
        enough = at + change_max_hours * 60;
      }
    }
    if (best && cctz::civil_minute{day + 1} > enough)
      return best;
  }
  return best;
}

} // namespace

std::optional<timestamp> next_due(const schedule_spec& spec, timestamp after) {
  if (spec.interval)
    return after + *spec.interval;
  auto cron = cron_expression::parse(spec.cron);
  cctz::time_zone zone = cctz::utc_time_zone();
  if (!cron
      || (!spec.timezone.empty()
          && !cctz::load_time_zone(spec.timezone, &zone)))
    return std::nullopt;
  return next_cron(*cron, zone, after);
}

schedule_look look_at(const schedule_spec& spec, std::optional<timestamp> due,
                      timestamp now) {
  schedule_look look;
  look.next = next_due(spec, now);
  if (!due) {
    look.is_due = spec.interval.has_value();
    return look;
  }
  if (*due > now) {
    look.next = std::min(*due, look.next.value_or(*due));
    return look;
  }
  auto late = now - *due;
  auto last = *due; // of the times that have passed
  if (spec.interval) {
    last += *spec.interval * (late / *spec.interval);
    look.next = last + *spec.interval; // in the same steps as before
  } else if (auto recent = next_due(spec, now - schedule_tolerance);
             recent && *recent <= now) {
    last = std::max(last, *recent);
  }
  look.is_due =
    now - last <= schedule_tolerance || spec.missed == missed_policy::run_once;
  if (!look.is_due)
    look.left_out = fmt::format(
      "the run of {} was left out: {} had passed when it could begin",
      format_timestamp(*due), format_duration(late));
  return look;
}

} // namespace pm
