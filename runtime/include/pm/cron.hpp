#pragma once

#include <bitset>
#include <string_view>

#include <pm/error.hpp>

namespace pm {

// The five fields of crontab(5): minute, hour, day of the month, month, day of
// the week. Knows `*`, ranges, lists, steps, the English names of months and
// weekdays in three letters, 7 as Sunday, and @hourly, @daily, @midnight,
// @weekly, @monthly, @yearly, @annually.
class cron_expression {
public:
  // Errors: invalid_argument, which says the field and what is wrong with it;
  // also where no day ever matches (the 30th of February).
  static expected<cron_expression> parse(std::string_view text);

  bool has_minute(int minute) const { return minutes_[at(minute)]; }
  bool has_hour(int hour) const { return hours_[at(hour)]; }

  // Month and day from 1; weekday 0 is Sunday. As crontab(5) has it: where both
  // kinds of day are restricted, one that matches is enough.
  bool has_day(int month, int day, int weekday) const;

  // The hour field does not begin with a star: the times are meant as they
  // stand on the wall, once a day each.
  bool is_fixed() const { return is_fixed_; }

  bool operator==(const cron_expression&) const = default;

private:
  static size_t at(int value) { return static_cast<size_t>(value); }

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = true;
  bool any_weekday_ = true;
  bool is_fixed_ = false;
};

} // namespace pm
