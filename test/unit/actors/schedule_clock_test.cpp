#include <boost/test/unit_test.hpp>

#include "actors/schedule_clock.hpp"

using namespace pm;
using namespace std::chrono_literals;

namespace {

timestamp at(std::string_view text) {
  auto result = parse_timestamp(text);
  BOOST_REQUIRE(result);
  return *result;
}

schedule_spec by_cron(std::string text, std::string zone = {}) {
  schedule_spec spec;
  spec.cron = std::move(text);
  spec.timezone = std::move(zone);
  return spec;
}

schedule_spec each(milliseconds interval) {
  schedule_spec spec;
  spec.interval = interval;
  return spec;
}

// The next `count` times after `from`, to the minute.
std::string times(const schedule_spec& spec, std::string_view from,
                  int count = 1) {
  std::string result;
  auto now = at(from);
  for (int i = 0; i < count; ++i) {
    auto next = next_due(spec, now);
    if (!next)
      return result + "never";
    BOOST_REQUIRE((*next > now));
    now = *next;
    result += (i == 0 ? "" : " ") + format_timestamp(now).substr(5, 11);
  }
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(schedule_clock)

BOOST_AUTO_TEST_CASE(cron_times_come_in_their_order) {
  BOOST_TEST(times(by_cron("*/15 * * * *"), "2026-11-22T10:07:30Z", 4)
             == "11-22T10:15 11-22T10:30 11-22T10:45 11-22T11:00");
  BOOST_TEST(times(by_cron("0 9 * * mon-fri"), "2026-11-20T09:00:00Z", 2)
             == "11-23T09:00 11-24T09:00");
  BOOST_TEST(times(by_cron("30 23 31 12 *"), "2026-12-31T23:30:00Z")
             == "12-31T23:30");
  BOOST_TEST(times(by_cron("0 0 29 2 *"), "2026-01-01T00:00:00Z")
             == "02-29T00:00");
  BOOST_TEST(format_timestamp(
               *next_due(by_cron("0 0 29 2 *"), at("2097-01-01T00:00:00Z")))
               .substr(0, 10)
             == "2104-02-29"); // 2100 is no leap year
}

BOOST_AUTO_TEST_CASE(a_time_zone_moves_them) {
  BOOST_TEST(times(by_cron("0 9 * * *", "Asia/Tokyo"), "2026-11-22T10:00:00Z")
             == "11-23T00:00");
  BOOST_TEST(
    times(by_cron("0 9 * * *", "America/New_York"), "2026-11-22T10:00:00Z")
    == "11-22T14:00");
  BOOST_TEST(times(by_cron("0 9 * * *", "Nowhere/Land"), "2026-11-22T10:00:00Z")
             == "never");
}

// 2026-03-29 02:00 CET becomes 03:00 CEST; that is 01:00 UTC.
BOOST_AUTO_TEST_CASE(a_fixed_time_that_is_skipped_comes_at_the_change) {
  BOOST_TEST(
    times(by_cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T12:00:00Z", 2)
    == "03-29T01:00 03-30T00:30");
  BOOST_TEST(times(by_cron("0,20,40 2 * * *", "Europe/Berlin"),
                   "2026-03-28T12:00:00Z", 2)
             == "03-29T01:00 03-30T00:00");
  BOOST_TEST(
    times(by_cron("30 * * * *", "Europe/Berlin"), "2026-03-29T00:00:00Z", 2)
    == "03-29T00:30 03-29T01:30");
}

// 2026-10-25 03:00 CEST becomes 02:00 CET; that is 01:00 UTC.
BOOST_AUTO_TEST_CASE(a_fixed_time_that_comes_twice_counts_once) {
  BOOST_TEST(
    times(by_cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2)
    == "10-25T00:30 10-26T01:30");
  BOOST_TEST(
    times(by_cron("30 * * * *", "Europe/Berlin"), "2026-10-24T23:00:00Z", 4)
    == "10-24T23:30 10-25T00:30 10-25T01:30 10-25T02:30");
}

BOOST_AUTO_TEST_CASE(half_an_hour_and_a_day_of_change_are_changes_too) {
  // Lord Howe: 2026-10-04 02:00 becomes 02:30, at 15:30 UTC the day before.
  BOOST_TEST(
    times(by_cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00:00Z")
    == "10-03T15:30");
  // Apia left out 2011-12-30 as a whole; the change was at 10:00 UTC.
  BOOST_TEST(
    times(by_cron("0 12 30 12 *", "Pacific/Apia"), "2011-12-29T00:00:00Z")
    == "12-30T10:00");
}

BOOST_AUTO_TEST_CASE(an_interval_is_due_at_once_and_then_in_equal_steps) {
  auto spec = each(1h);
  auto now = at("2026-11-22T10:00:00Z");
  auto first = look_at(spec, std::nullopt, now);
  BOOST_TEST(first.is_due);
  BOOST_TEST((first.next == now + 1h));
  auto early = look_at(spec, first.next, now + 59min);
  BOOST_TEST(!early.is_due);
  BOOST_TEST((early.next == first.next));
  auto late = look_at(spec, first.next, now + 1h + 20s);
  BOOST_TEST(late.is_due);
  BOOST_TEST((late.next == now + 2h));
}

BOOST_AUTO_TEST_CASE(a_cron_schedule_waits_for_its_first_time) {
  auto look =
    look_at(by_cron("0 * * * *"), std::nullopt, at("2026-11-22T10:30:00Z"));
  BOOST_TEST(!look.is_due);
  BOOST_TEST((look.next == at("2026-11-22T11:00:00Z")));
}

BOOST_AUTO_TEST_CASE(what_was_missed_is_left_out_or_made_up_once) {
  auto spec = by_cron("0 * * * *");
  auto due = at("2026-11-22T10:00:00Z");
  auto look = look_at(spec, due, due + 3h + 5min);
  BOOST_TEST(!look.is_due);
  BOOST_TEST((look.next == at("2026-11-22T14:00:00Z")));
  BOOST_TEST(look.left_out
             == "the run of 2026-11-22T10:00:00.000Z was left out: 3h5m had "
                "passed when it could begin");
  spec.missed = missed_policy::run_once;
  look = look_at(spec, due, due + 3h + 5min);
  BOOST_TEST(look.is_due);
  BOOST_TEST((look.next == at("2026-11-22T14:00:00Z")));
  BOOST_TEST(look.left_out == "");
  spec.missed = missed_policy::skip;
  BOOST_TEST(look_at(spec, due, due + 59s).is_due);
}

BOOST_AUTO_TEST_CASE(the_last_of_those_that_passed_may_be_on_time) {
  auto due = at("2026-11-22T10:00:00Z");
  BOOST_TEST(look_at(by_cron("* * * * *"), due, due + 2min + 5s).is_due);
  BOOST_TEST(look_at(by_cron("0 * * * *"), due, due + 1h + 5s).is_due);
  BOOST_TEST(!look_at(by_cron("0 * * * *"), due, due + 1h + 61s).is_due);
  auto look = look_at(each(1h), due, due + 2h + 5s);
  BOOST_TEST(look.is_due);
  BOOST_TEST((look.next == due + 3h));
  BOOST_TEST(!look_at(each(1h), due, due + 2h + 61s).is_due);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_makes_nothing_wait_longer) {
  auto due = at("2026-11-22T10:00:00Z");
  auto look = look_at(each(1h), due, due - 25h);
  BOOST_TEST((look.next == due - 24h));
  look = look_at(by_cron("0 * * * *"), due, due - 24h - 10min);
  BOOST_TEST((look.next == due - 24h));
}

// Any expression in any zone: times only go up, and are such as it says.
BOOST_AUTO_TEST_CASE(a_year_of_times_is_what_the_expression_says) {
  for (auto zone : {"", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"})
    for (auto text : {"*/7 * * * *", "0 */5 * * *", "0 4 1,15 * fri"}) {
      auto spec = by_cron(text, zone);
      auto now = at("2026-01-01T00:00:00Z");
      int count = 0;
      for (; now < at("2027-01-01T00:00:00Z"); ++count) {
        auto next = next_due(spec, now);
        BOOST_REQUIRE(next);
        BOOST_REQUIRE((*next > now));
        BOOST_REQUIRE((next_due(spec, *next - 1ms) == next));
        now = *next;
        if (count > 2000)
          break;
      }
      BOOST_TEST(count > 60);
    }
}

BOOST_AUTO_TEST_SUITE_END()
