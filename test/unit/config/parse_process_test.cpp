#include "test/unit/config/config_fixture.hpp"

using pm_test::config_fixture;

namespace {

std::string problems_of(std::string_view json,
                        const std::string& handle_id = "web") {
  auto x = pm::parse_process(handle_id, json, "/base");
  return x ? std::string{} : to_string(x.error());
}

} // namespace

BOOST_AUTO_TEST_SUITE(parse_process)

BOOST_AUTO_TEST_CASE(a_process_of_a_request_becomes_an_adhoc_definition) {
  auto x = pm::parse_process(
    "web", R"({"command": ["serve"], "working_dir": "www"})", "/base");
  BOOST_REQUIRE(x);
  BOOST_REQUIRE(x->size() == 1u);
  BOOST_TEST((*x)[0].handle_id == "web");
  BOOST_TEST(((*x)[0].origin == pm::origin::adhoc));
  BOOST_TEST((*x)[0].spec.working_dir == "/base/www");
}

BOOST_AUTO_TEST_CASE(nothing_is_expanded_in_a_request) {
  auto x = pm::parse_process("web", R"({"command": ["echo", "${HOME}", "$$"]})",
                             "/base");
  BOOST_REQUIRE(x);
  std::vector<std::string> wanted{"echo", "${HOME}", "$$"};
  BOOST_TEST((*x)[0].spec.command == wanted, boost::test_tools::per_element());
  BOOST_TEST((*x)[0].spec.working_dir == "/base");
}

BOOST_AUTO_TEST_CASE(replicas_of_a_request_are_expanded) {
  auto x =
    pm::parse_process("web", R"({"command": "x", "replicas": 3})", "/base");
  BOOST_REQUIRE(x);
  BOOST_REQUIRE(x->size() == 3u);
  BOOST_TEST((*x)[2].handle_id == "web.3");
  BOOST_TEST((*x)[2].spec.replica == 3);
}

BOOST_AUTO_TEST_CASE(problems_of_a_request_say_where_in_the_spec) {
  BOOST_TEST(problems_of(R"({"comand": "x"})")
             == "spec:1:2: unknown key 'comand' in process 'web'; did you "
                "mean 'command'?");
  BOOST_TEST(problems_of("{}") == "spec:1:1: process 'web' has no 'command'");
  BOOST_TEST(problems_of("[]")
             == "spec:1:1: process 'web': expected an object, not an array");
  BOOST_TEST(problems_of("").starts_with("spec:1:1: "));
  BOOST_TEST(problems_of(R"({"command": "x"})", "no good").find("no good")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_replicas_name_must_still_be_a_handle_id) {
  std::string name(127, 'x');
  BOOST_TEST(problems_of(R"({"command": "x"})", name) == "");
  BOOST_TEST(problems_of(R"({"command": "x", "replicas": 1})", name) != "");
}

BOOST_AUTO_TEST_CASE(an_unknown_user_is_left_to_the_spawn) {
  BOOST_TEST(problems_of(R"({"command": "x", "user": "nosuchuser9"})") == "");
}

BOOST_AUTO_TEST_SUITE_END()
