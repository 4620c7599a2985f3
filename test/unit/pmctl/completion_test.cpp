#include <boost/test/unit_test.hpp>

#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// What bash offers for a line that ends in `words`' last word.
std::string offered(const std::vector<std::string>& words) {
  std::string line;
  for (auto& word : words)
    line += " '" + word + "'";
  auto script = fmt::format(
    "PATH={}:$PATH; source <(pmctl completion bash); COMP_WORDS=({}); "
    "COMP_CWORD={}; _pmctl; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
    PM_BIN_DIR, line, words.size() - 1);
  auto out = run_child({"/bin/bash", "-c", script});
  BOOST_TEST(out.err == "");
  return out.out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(completion)

BOOST_AUTO_TEST_CASE(bash_completes_verbs_options_and_values) {
  BOOST_TEST(offered({"pmctl", "re"}) == "recover\nrestart\nreset\n");
  BOOST_TEST(offered({"pmctl", "stop", "--fo"}) == "--force\n");
  BOOST_TEST(offered({"pmctl", "list", "--status", "run"}) == "running\n");
  BOOST_TEST(offered({"pmctl", "--json", "logs", "--std"})
             == "--stdout\n--stderr\n");
  BOOST_TEST(offered({"pmctl", "--timeout", "5s", "wait", "x", "--for", "re"})
             == "ready\n");
}

BOOST_AUTO_TEST_CASE(bash_completes_handle_ids_of_the_node_that_is_named) {
  fake_node node;
  node.on_reply("list", fmt::format(R"([{{"handle_id":"web"}},)"
                                    R"({{"handle_id":"worker"}},)"
                                    R"({{"handle_id":"db"}}])"));
  BOOST_TEST(offered({"pmctl", "--state-dir", node.dir(), "stop", "w"})
             == "web\nworker\n");
}

BOOST_AUTO_TEST_CASE(other_shells_get_every_verb_and_option) {
  for (auto shell : {"zsh", "fish"}) {
    auto script = run_pmctl({"completion", shell}).out;
    for (auto word : {"restart", "env-file", "correlation-id", "shutdown"})
      BOOST_TEST(script.find(word) != std::string::npos,
                 word << " is missing for " << shell);
  }
}

BOOST_AUTO_TEST_SUITE_END()
