#include <boost/test/unit_test.hpp>

#include "apps/pmctl/command_line.hpp"
#include "unit/pmctl/pmctl_child.hpp"

using namespace pm;
using namespace pm::ctl;
using pm::test::run_pmctl;

BOOST_AUTO_TEST_SUITE(command_lines)

BOOST_AUTO_TEST_CASE(nearest_word_is_suggested_only_when_it_is_near) {
  std::vector<std::string> known{"list", "status", "restart", "start"};
  BOOST_TEST(nearest("lst", known) == "list");
  BOOST_TEST(nearest("stauts", known) == "status");
  BOOST_TEST(nearest("strat", known) == "start");
  BOOST_TEST(nearest("frobnicate", known) == "");
}

BOOST_AUTO_TEST_CASE(timeout_takes_durations_and_seconds) {
  BOOST_TEST(parse_timeout("500ms").value().count() == 500);
  BOOST_TEST(parse_timeout("10").value().count() == 10'000);
  BOOST_TEST(parse_timeout("1.5").value().count() == 1500);
  for (auto text : {"0", "", "-1", "ten", "10 s"})
    BOOST_TEST(!parse_timeout(text), text);
}

BOOST_AUTO_TEST_CASE(unknown_verb_gets_a_suggestion_and_code_2) {
  auto out = run_pmctl({"--json", "stauts", "-x", "web"});
  BOOST_TEST(out.code == 2);
  BOOST_TEST(out.out == "");
  BOOST_TEST(out.err
             == "pmctl: there is no verb 'stauts'; did you mean 'status'?\n"
                "pmctl: see 'pmctl --help'\n");
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_told_on_stderr_with_code_2) {
  for (auto& words : std::vector<std::vector<std::string>>{
         {},
         {"stop"},
         {"list", "--nope"},
         {"list", "--status", "nope"},
         {"list", "--timeout", "soon"},
         {"list", "-l", "nolabel"},
         {"run"},
         {"start"},
         {"start", "--", "true"},
         {"start", "--name", "x"},
         {"start", "--name", "x", "true"},
         {"start", "--name", "x", "-e", "nothing", "--", "true"},
         {"logs", "--since", "yesterday"},
         {"completion", "tcsh"}}) {
    auto out = run_pmctl(words);
    BOOST_TEST(out.code == 2, "pmctl " << (words.empty() ? "" : words[0])
                                       << " exits with " << out.code);
    BOOST_TEST(out.out == "");
    BOOST_TEST(out.err.starts_with("pmctl: "));
  }
}

BOOST_AUTO_TEST_CASE(every_verb_has_help_with_an_example) {
  for (auto verb :
       {"list", "status", "show", "logs", "events", "start", "run", "stop",
        "restart", "signal", "rm", "wait", "check", "cleanup", "save",
        "shutdown", "version", "migrate", "completion"}) {
    auto out = run_pmctl({verb, "--help"});
    BOOST_TEST(out.code == 0, verb);
    BOOST_TEST(out.out.find("Usage: pmctl " + std::string{verb})
                 != std::string::npos,
               verb);
    BOOST_TEST(out.out.find("Example: ") != std::string::npos, verb);
  }
  BOOST_TEST(run_pmctl({"help", "list"}).out
             == run_pmctl({"list", "--help"}).out);
}

BOOST_AUTO_TEST_SUITE_END()
