#include <boost/test/unit_test.hpp>

#include <pm/cron.hpp>

using namespace pm;

namespace {

cron_expression read(std::string_view text) {
  auto result = cron_expression::parse(text);
  BOOST_REQUIRE_MESSAGE(result, text);
  return *result;
}

// "5,10": the minutes, the hours likewise.
template <class Has>
std::string all_of(int most, Has has) {
  std::string result;
  for (int x = 0; x <= most; ++x)
    if (has(x))
      result += (result.empty() ? "" : ",") + std::to_string(x);
  return result;
}

std::string minutes(std::string_view field) {
  auto cron = read(fmt::format("{} * * * *", field));
  return all_of(59, [&](int x) { return cron.has_minute(x); });
}

std::string hours(std::string_view field) {
  auto cron = read(fmt::format("0 {} * * *", field));
  return all_of(23, [&](int x) { return cron.has_hour(x); });
}

std::string why_not(std::string_view text) {
  auto result = cron_expression::parse(text);
  return result ? "it is good" : result.error().text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cron)

BOOST_AUTO_TEST_CASE(fields_are_values_ranges_lists_and_steps) {
  BOOST_TEST(minutes("7") == "7");
  BOOST_TEST(minutes("0-3,58-59") == "0,1,2,3,58,59");
  BOOST_TEST(minutes("*/20") == "0,20,40");
  BOOST_TEST(minutes("10-30/10,11") == "10,11,20,30");
  BOOST_TEST(hours("*/7") == "0,7,14,21");
  BOOST_TEST(hours("23") == "23");
}

BOOST_AUTO_TEST_CASE(months_and_weekdays_have_names_and_sunday_two_numbers) {
  auto cron = read("0 0 * JAN,oct Mon-fri");
  BOOST_TEST(cron.has_day(1, 5, 1));
  BOOST_TEST(cron.has_day(10, 5, 5));
  BOOST_TEST(!cron.has_day(2, 5, 1));
  BOOST_TEST(!cron.has_day(1, 5, 0));
  BOOST_TEST(read("0 0 * * 7").has_day(1, 1, 0));
  BOOST_TEST(read("0 0 * * 0").has_day(1, 1, 0));
  BOOST_TEST(read("0 0 * * 5-7").has_day(1, 1, 0));
  BOOST_TEST(!read("0 0 * * 5-7").has_day(1, 1, 1));
}

BOOST_AUTO_TEST_CASE(of_two_kinds_of_days_one_is_enough_unless_one_is_a_star) {
  auto either = read("0 0 13 * 5");
  BOOST_TEST(either.has_day(3, 13, 2));
  BOOST_TEST(either.has_day(3, 20, 5));
  BOOST_TEST(!either.has_day(3, 20, 4));
  auto by_date = read("0 0 13 * *");
  BOOST_TEST(!by_date.has_day(3, 20, 5));
  auto by_weekday = read("0 0 * * 5");
  BOOST_TEST(!by_weekday.has_day(3, 13, 2));
}

BOOST_AUTO_TEST_CASE(a_starred_hour_is_not_fixed) {
  BOOST_TEST(!read("30 * * * *").is_fixed());
  BOOST_TEST(!read("30 */2 * * *").is_fixed());
  BOOST_TEST(read("30 2 * * *").is_fixed());
}

BOOST_AUTO_TEST_CASE(nicknames_stand_for_their_fields) {
  BOOST_TEST((read("@hourly") == read("0 * * * *")));
  BOOST_TEST((read("@DAILY") == read("0 0 * * *")));
  BOOST_TEST((read("@midnight") == read("0 0 * * *")));
  BOOST_TEST((read("@weekly") == read("0 0 * * 0")));
  BOOST_TEST((read("@monthly") == read("0 0 1 * *")));
  BOOST_TEST((read("  @annually ") == read("0 0 1 1 *")));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_told_with_its_field) {
  BOOST_TEST(why_not("61 * * * *")
             == "cron: the minute is '61'; it must be 0 to 59");
  BOOST_TEST(why_not("* * 0 * *")
             == "cron: the day of the month is '0'; it must be 1 to 31");
  BOOST_TEST(why_not("* * * foo *")
             == "cron: the month is 'foo'; it must be 1 to 12 or a name such "
                "as 'jan'");
  BOOST_TEST(why_not("* * * * 8")
             == "cron: the day of the week is '8'; it must be 0 to 7 or a name "
                "such as 'sun'");
  BOOST_TEST(why_not("*/0 * * * *")
             == "cron: the step '0' of the minute must be 1 to 59");
  BOOST_TEST(why_not("5/15 * * * *")
             == "cron: '5/15' of the minute has a step and no range; write "
                "'5-59/15'");
  BOOST_TEST(why_not("* 9-5 * * *")
             == "cron: the range '9-5' of the hour ends before it begins");
  BOOST_TEST(why_not("0 0 31 4,6 *")
             == "cron: no day ever matches '0 0 31 4,6 *'");
  BOOST_TEST(why_not("0 0 29 2 *") == "it is good");
  BOOST_TEST(why_not("").starts_with("cron: '' has 0 fields"));
  BOOST_TEST(why_not("@reboot").starts_with("cron: '@reboot' has 1 fields"));
  for (auto text : {"1,,2 * * * *", "1- * * * *", "-1 * * * *", "*-5 * * * *",
                    "1//2 * * * *", "+1 * * * *", "* * * * * *"})
    BOOST_TEST(!cron_expression::parse(text), text);
}

BOOST_AUTO_TEST_SUITE_END()
