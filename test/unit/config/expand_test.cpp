#include "registry/config/expand.hpp"

#include "registry/config/env_file.hpp"
#include "registry/config/value_formats.hpp"
#include "test/unit/config/config_fixture.hpp"

using pm_test::config_fixture;

namespace {

struct expand_fixture : config_fixture {
  std::string expanded(std::string_view text) {
    auto x = pm::config::expand(text, lookup());
    return x ? *x : "error: " + x.error().text;
  }

  // What an env file gives, or its problems.
  std::string env(std::string_view text) {
    pm::config::source from{"e", "/", std::string{text}, 0};
    std::map<std::string, std::string> all;
    pm::config::problem_list problems;
    read_env_text(from, all, problems);
    std::string result = to_string(problems.take());
    for (auto& [key, value] : all)
      result += fmt::format("[{}={}]", key, value);
    return result;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(expand, expand_fixture)

BOOST_AUTO_TEST_CASE(variables_defaults_and_dollars_are_expanded) {
  BOOST_TEST(expanded("plain") == "plain");
  BOOST_TEST(expanded("a${HOME}b${HOME}") == "a/home/xb/home/x");
  BOOST_TEST(expanded("${NONE:-fallback}") == "fallback");
  BOOST_TEST(expanded("${EMPTY:-fallback}") == "fallback");
  BOOST_TEST(expanded("${HOME:-fallback}") == "/home/x");
  BOOST_TEST(expanded("[${EMPTY}]") == "[]");
  BOOST_TEST(expanded("${NONE:-}") == "");
  BOOST_TEST(expanded("${NONE:-${HOME}/y}") == "/home/x/y");
  BOOST_TEST(expanded("$$ $${HOME} $$$$") == "$ ${HOME} $$");
}

BOOST_AUTO_TEST_CASE(a_dollar_without_braces_stays_for_the_shell) {
  BOOST_TEST(expanded("$PORT $1 $? 5$ $") == "$PORT $1 $? 5$ $");
}

BOOST_AUTO_TEST_CASE(a_value_is_not_expanded_again) {
  variables["A"] = "${HOME}$$";
  BOOST_TEST(expanded("${A}") == "${HOME}$$");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_expanded_is_an_error) {
  BOOST_TEST(expanded("${NONE}").starts_with("error: the variable 'NONE'"));
  BOOST_TEST(expanded("${HOME").starts_with("error: '${' without '}'"));
  BOOST_TEST(expanded("${}").starts_with("error: '${}' is not a variable"));
  BOOST_TEST(expanded("${1x}").starts_with("error: '${1x}'"));
  std::string deep;
  for (int i = 0; i < 40; ++i)
    deep += "${NONE:-";
  BOOST_TEST(expanded(deep + std::string(40, '}')).starts_with("error: "));
}

BOOST_AUTO_TEST_CASE(an_expansion_has_a_bound) {
  variables["BIG"] = std::string(1000, 'x');
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += "${BIG}";
  BOOST_TEST(expanded(text) == "error: longer than 1 MiB after expansion");
}

BOOST_AUTO_TEST_CASE(the_environment_of_this_process_is_looked_up) {
  auto lookup = pm::process_environment();
  BOOST_TEST((lookup("PATH") == std::string{std::getenv("PATH")}));
  BOOST_TEST(!lookup("PM_NO_SUCH_VARIABLE"));
}

BOOST_AUTO_TEST_CASE(env_files_have_comments_quotes_and_escapes) {
  BOOST_TEST(env("A=1\n# B=2\n\n  C = 3 \r\n") == "[A=1][C=3]");
  BOOST_TEST(env("export A=1") == "[A=1]");
  BOOST_TEST(env("A=1\nA=2") == "[A=2]");
  BOOST_TEST(env("A=x#y # z") == "[A=x#y]");
  BOOST_TEST(env("A='x # y' # z") == "[A=x # y]");
  BOOST_TEST(env(R"(A="x\n\t\"\\\$")") == "[A=x\n\t\"\\$]");
  BOOST_TEST(env("A=#nothing") == "[A=]");
  BOOST_TEST(env("A=b=c $HOME") == "[A=b=c $HOME]");
}

BOOST_AUTO_TEST_CASE(a_wrong_line_of_an_env_file_is_told_with_its_place) {
  BOOST_TEST(env("A=1\n  B") == "e:2:3: expected KEY=VALUE, not 'B'[A=1]");
  BOOST_TEST(env("A B=1") == "e:1:1: expected KEY=VALUE, not 'A B=1'");
  BOOST_TEST(env("=1") == "e:1:1: expected KEY=VALUE, not '=1'");
  BOOST_TEST(env("A='x") == "e:1:1: 'A': the single quote is not closed");
  BOOST_TEST(env("A=\"x") == "e:1:1: 'A': the double quote is not closed");
  BOOST_TEST(env("A='x'y") == "e:1:1: 'A': text after the closing quote");
  BOOST_TEST(env(R"(A="\q")").starts_with("e:1:1: 'A': bad escape"));
  BOOST_TEST(env("A=\xff") == "e:1:1: not valid UTF-8");
}

BOOST_AUTO_TEST_CASE(a_limit_is_a_size_or_unlimited) {
  BOOST_TEST((*pm::config::parse_limit("64KiB") == 65536u));
  BOOST_TEST((*pm::config::parse_limit("unlimited") == std::nullopt));
  BOOST_TEST(!pm::config::parse_limit("lots"));
}

BOOST_AUTO_TEST_CASE(the_nearest_name_is_near) {
  std::vector<std::string_view> names{"command", "user", "umask", "nice"};
  auto nearest = [&](std::string_view word) {
    return pm::config::nearest_name(word, names);
  };
  BOOST_TEST(nearest("comand") == "command");
  BOOST_TEST(nearest("usr") == "user");
  BOOST_TEST(nearest("Nice") == "nice");
  BOOST_TEST(nearest("zebra") == "");
  BOOST_TEST(nearest("") == "");
  BOOST_TEST(nearest(std::string(100'000, 'c')) == "");
}

BOOST_AUTO_TEST_SUITE_END()
