#include <boost/test/unit_test.hpp>

#include <atomic>
#include <csignal>

#include <pm/json.hpp>

#include "apps/pmctl/base64.hpp"
#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"

using namespace pm;
using namespace pm::test;

namespace {

constexpr size_t window = 256u << 10;
constexpr size_t piece = 64u << 10;

std::string result_json(exit_status how) {
  process_result result;
  result.handle = "run-1";
  result.exit = how;
  return to_json(result);
}

void send_output(fake_node& to, const rapidjson::Document& request,
                 std::string_view stream, std::string_view bytes) {
  to.notify(request, "output",
            fmt::format(",\"stream\":\"{}\",\"data\":\"{}\"", stream,
                        to_base64(bytes)));
}

struct fixture {
  fake_node node;

  void on_run(fake_node::answer then) {
    node.on("run", [then](fake_node& to, const rapidjson::Document& request) {
      to.notify(request, "started",
                R"(,"handle_id":"run-1","pid":1,"run_id":"x")");
      then(to, request);
    });
  }

  child_outcome pmctl(std::vector<std::string> arguments,
                      const child_options& options = {}) {
    arguments.insert(arguments.begin(), {"--state-dir", node.dir()});
    return run_pmctl(arguments, options);
  }
};

const exit_status code_0{exit_reason::exited, 0, std::nullopt};

} // namespace

BOOST_FIXTURE_TEST_SUITE(run_verb, fixture)

BOOST_AUTO_TEST_CASE(run_carries_both_streams_and_the_exit_code) {
  on_run([](fake_node& to, const rapidjson::Document& request) {
    send_output(to, request, "stdout", "a\xff\n");
    send_output(to, request, "stderr", "b\n");
    to.reply(request, result_json({exit_reason::exited, 3, {}}));
  });
  auto out = pmctl({"run", "-e", "A=1", "--name", "n", "--timeout", "5s", "--",
                    "sh", "-c", "[x]"});
  BOOST_TEST(out.code == 3);
  BOOST_TEST(out.out == "a\xff\n");
  BOOST_TEST(out.err == "b\n");
  auto request = node.seen("run").at(0);
  for (auto part :
       {R"("timeout_ms":5000)", R"("name":"n")", R"("stream":true)",
        R"("spec":{"command":["sh","-c","[x]"],"environment":{"A":"1"}})",
        R"("working_dir":"/)", R"("environment":{)", R"("PATH":)"})
    BOOST_TEST(request.find(part) != std::string::npos, part);
}

BOOST_AUTO_TEST_CASE(run_takes_a_command_without_dashes) {
  on_run([](fake_node& to, const rapidjson::Document& request) {
    to.reply(request, result_json(code_0));
  });
  BOOST_TEST(pmctl({"run", "ls", "-l", "--json", "--", "[ab]"}).code == 0);
  BOOST_TEST(
    node.seen("run").at(0).find(R"("command":["ls","-l","--json","--","[ab]"])")
    != std::string::npos);
}

BOOST_AUTO_TEST_CASE(run_gives_credit_for_all_output_and_loses_none) {
  // A node that keeps to the window: it sends the next piece only when the
  // client has consumed enough.
  std::string bytes;
  for (size_t i = 0; i < 2u << 20; ++i)
    bytes += static_cast<char>(i * 7 + i / 251);
  size_t sent = 0;
  size_t consumed = 0;
  auto send_more = [&](fake_node& to, const rapidjson::Document& message) {
    while (sent < bytes.size() && sent - consumed + piece <= window) {
      send_output(to, message, "stdout", bytes.substr(sent, piece));
      sent += piece;
    }
  };
  on_run([&](fake_node& to, const rapidjson::Document& request) {
    send_more(to, request);
  });
  node.on("consumed", [&](fake_node& to, const rapidjson::Document& message) {
    BOOST_TEST(message["params"]["stream"].GetString() == "stdout");
    consumed += message["params"]["bytes"].GetUint64();
    send_more(to, message);
    if (consumed == bytes.size())
      to.reply(message, result_json(code_0));
  });
  auto out = pmctl({"run", "--", "x"});
  BOOST_TEST(out.code == 0);
  BOOST_TEST((out.out == bytes));
}

BOOST_AUTO_TEST_CASE(run_forwards_stdin_piece_by_piece_and_its_end) {
  std::string input;
  for (size_t i = 0; i < 300'000; ++i)
    input += static_cast<char>(i * 11 + i / 253);
  std::string got;
  std::atomic<int> open_pieces = 0;
  std::atomic<bool> too_early = false;
  on_run([](fake_node&, const rapidjson::Document&) {});
  node.on("stdin", [&](fake_node& to, const rapidjson::Document& message) {
    if (++open_pieces > 1)
      too_early = true;
    auto bytes = from_base64(message["params"]["data"].GetString());
    got += bytes.value_or("");
    --open_pieces;
    to.notify(message, "stdin_ready", "");
  });
  node.on("stdin_close",
          [&](fake_node& to, const rapidjson::Document& message) {
            to.reply(message, result_json(code_0));
          });
  BOOST_TEST(pmctl({"run", "--", "cat"}, {input}).code == 0);
  BOOST_TEST((got == input));
  BOOST_TEST(!too_early);
  for (auto& line : node.seen("stdin"))
    BOOST_TEST(line.size() < piece * 4 / 3 + 200);
}

BOOST_AUTO_TEST_CASE(run_sends_no_more_input_than_the_child_reads) {
  on_run([](fake_node&, const rapidjson::Document&) {});
  node.on("stdin", [&](fake_node& to, const rapidjson::Document& message) {
    to.notify(message, "stdin_ready", ",\"closed\":true");
    to.reply(message, result_json(code_0));
  });
  BOOST_TEST(pmctl({"run", "--", "true"}, {std::string(1u << 20, 'x')}).code
             == 0);
  BOOST_TEST(node.seen("stdin").size() == 1u);
}

BOOST_AUTO_TEST_CASE(run_forwards_signals_to_the_child) {
  on_run([](fake_node& to, const rapidjson::Document& request) {
    send_output(to, request, "stdout", "ready");
  });
  node.on("run_signal", [](fake_node& to, const rapidjson::Document& message) {
    std::string name = message["params"]["signal"].GetString();
    if (name == "TERM")
      to.reply(message, result_json({exit_reason::signaled, {}, SIGTERM}));
    else
      send_output(to, message, "stdout", name);
  });
  child_options options;
  options.when = "ready";
  options.then = [](int pid) {
    for (auto number : {SIGHUP, SIGUSR1, SIGTERM})
      kill(pid, number);
  };
  auto out = pmctl({"run", "--", "sleep", "60"}, options);
  BOOST_TEST(out.code == 128 + SIGTERM);
  BOOST_TEST(node.seen("run_signal").size() == 3u);
}

BOOST_AUTO_TEST_CASE(run_exits_with_124_when_its_time_is_over) {
  on_run([](fake_node& to, const rapidjson::Document& request) {
    to.reply(request, result_json({exit_reason::timeout, {}, SIGTERM}));
  });
  auto out = pmctl({"run", "--timeout", "10ms", "--", "sleep", "60"});
  BOOST_TEST(out.code == 124);
  BOOST_TEST(out.err == "pmctl: run 'run-1': timed out\n");
}

BOOST_AUTO_TEST_CASE(run_says_what_the_shell_would_of_a_missing_program) {
  node.on_fail("run", ec::spawn_failed,
               "spawn 'run-1': nope: no such file or directory");
  auto out = pmctl({"run", "--", "nope"});
  BOOST_TEST(out.code == 127);
  BOOST_TEST(out.err
             == "pmctl: spawn 'run-1': nope: no such file or directory\n");
}

BOOST_AUTO_TEST_CASE(run_exits_with_125_when_the_node_goes_away) {
  on_run([](fake_node& to, const rapidjson::Document&) { to.hang_up(); });
  BOOST_TEST(pmctl({"run", "--", "sleep", "60"}).code == 125);
}

BOOST_AUTO_TEST_CASE(run_json_prints_the_result_and_exits_as_the_child) {
  auto result = result_json({exit_reason::exited, 4, {}});
  node.on_reply("run", result);
  auto out = pmctl({"run", "--json", "--", "x"});
  BOOST_TEST(out.code == 4);
  BOOST_TEST(out.out == result + "\n");
  BOOST_TEST(node.seen("run").at(0).find("\"stream\":false")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(run_spares_a_terminal_the_childs_control_bytes) {
  on_run([](fake_node& to, const rapidjson::Document& request) {
    send_output(to, request, "stdout", "a\x1b[2J\xe4\xb8");
    send_output(to, request, "stdout", "\x96\n");
    to.reply(request, result_json(code_0));
  });
  child_options terminal;
  terminal.terminal = true;
  BOOST_TEST(pmctl({"run", "--", "x"}, terminal).out == "a\\x1b[2J世\r\n");
}

BOOST_AUTO_TEST_SUITE_END()
