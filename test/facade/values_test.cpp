#include "test/facade/facade_fixture.hpp"

#include <cmath>
#include <limits>
#include <random>

// What goes to a function and comes back, to the last bit; and which function
// it goes to.

using namespace pm::test;

namespace {

int over(int x) {
  return x + 1;
}

std::string over(const std::string& x) {
  return x + "+";
}

// calls_test.cpp has one of this name too.
int same_name(int x) {
  return x + 1;
}

double same_number(double x) {
  return x;
}

uint8_t small(uint8_t x) {
  return x;
}

using nested = std::vector<std::optional<std::map<std::string, bool>>>;

nested same_nested(nested x) {
  return x;
}

std::vector<bool> flipped(std::vector<bool> x) {
  x.flip();
  return x;
}

pm::json_text deep(size_t levels) {
  return {std::string(levels, '[') + std::string(levels, ']')};
}

void no_result() {
  ::_exit(0);
}

void throw_long() {
  throw std::runtime_error{std::string(20u << 20, 'x')};
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(values, facade_fixture)

BOOST_AUTO_TEST_CASE(overloads_and_lambdas_are_told_apart) {
  auto& pm = open();
  constexpr auto of_int = static_cast<int (*)(int)>(over);
  constexpr auto of_text =
    static_cast<std::string (*)(const std::string&)>(over);
  BOOST_TEST(value_of(pm.run_function<of_int>(1)) == 2);
  BOOST_TEST(value_of(pm.run_function<of_text>("x")) == "x+");
  BOOST_TEST(value_of(pm.run_function<[](int x) { return x + 10; }>(1)) == 11);
  BOOST_TEST(value_of(pm.run_function<[](int x) { return x + 20; }>(1)) == 21);
}

BOOST_AUTO_TEST_CASE(a_name_that_two_functions_have_calls_neither) {
  auto& pm = open();
  auto why = error_of(pm.run_function<same_name>(1));
  BOOST_TEST(why.text.find("several functions of this program are called")
               != std::string::npos,
             why.text);
}

BOOST_AUTO_TEST_CASE(numbers_come_back_as_they_went) {
  auto& pm = open();
  std::minstd_rand random{7};
  std::uniform_real_distribution<> any{-1000, 1000};
  std::vector<std::pair<double, pm::async<double>>> all;
  for (int i = 0; i < 1000; ++i) {
    auto x = any(random);
    all.emplace_back(x, pm.run_function<same_number>(x));
  }
  for (auto& [x, y] : all)
    BOOST_TEST(value_of(y) == x);
  BOOST_TEST(value_of(pm.run_function<small>(255)) == 255);
  auto why = error_of(pm.run_function<small>(256));
  BOOST_TEST(why.text.find("a whole number from 0 to 255") != std::string::npos,
             why.text);
  auto nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(error_of(pm.run_function<same_number>(nan)).text.find("a number")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(pythons_whole_numbers_keep_their_digits) {
  auto& pm = open();
  auto big = "1" + std::string(300, '0');
  BOOST_TEST(
    value_of(pm.run_python("builtins:max", "[1, " + big + "]")).value.text
    == big);
}

BOOST_AUTO_TEST_CASE(values_are_nested_in_each_other) {
  auto& pm = open();
  nested x{std::nullopt, {{{"a", true}, {"b", false}}}, {{}}};
  BOOST_TEST((value_of(pm.run_function<same_nested>(x)) == x));
  BOOST_TEST((value_of(pm.run_function<flipped>(std::vector<bool>{true, false}))
              == std::vector<bool>{false, true}));
}

BOOST_AUTO_TEST_CASE(what_is_nested_too_deeply_is_refused_by_both_sides) {
  auto& pm = open();
  BOOST_TEST(value_of(pm.run_function<deep>(100)).text.size() == 200u);
  auto why = error_of(pm.run_function<deep>(1'000'000)).text;
  BOOST_TEST(why.find("nested deeper than 500") != std::string::npos, why);
  auto words = std::string(1000, '[') + std::string(1000, ']');
  why = error_of(pm.run_python("builtins:len", words)).text;
  BOOST_TEST(why.find("args: not JSON at byte 500") != std::string::npos, why);
}

BOOST_AUTO_TEST_CASE(arguments_are_an_array_and_an_object) {
  auto& pm = open();
  auto why = error_of(pm.run_python("builtins:len", R"("abc")"));
  BOOST_TEST((why.code == pm::ec::invalid_argument));
  why = error_of(
    pm.run_python("builtins:str", "[]", R"({},"function":"os:getcwd")"));
  BOOST_TEST((why.code == pm::ec::invalid_argument));
  BOOST_TEST(why.text.find("kwargs: not JSON at byte 2") != std::string::npos,
             why.text);
  why = error_of(pm.run_function("anything", "{}"));
  BOOST_TEST(why.text.find("args: not a JSON array") != std::string::npos,
             why.text);
}

BOOST_AUTO_TEST_CASE(a_background_function_without_a_result_has_failed) {
  auto& pm = open();
  value_of(pm.start_function_background<no_result>(
    {.handle_id = "void", .restart = pm::restart_mode::never}));
  auto ended = value_of(pm.wait_for_process("void"));
  BOOST_TEST(to_string(ended.status) == "failed");
  BOOST_TEST(ended.exit_code.value() == 0);
  BOOST_TEST(ended.status_text.find("it ended without a result")
               != std::string::npos,
             ended.status_text);
}

BOOST_AUTO_TEST_CASE(an_exceptions_text_is_cut_where_it_is_too_long) {
  auto& pm = open();
  auto why = error_of(pm.run_function<throw_long>()).text;
  BOOST_TEST(why.find("std::runtime_error: xxx") != std::string::npos);
  BOOST_TEST(why.size() < 100'000u);
}

BOOST_AUTO_TEST_SUITE_END()
