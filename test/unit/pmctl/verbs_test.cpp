#include <boost/test/unit_test.hpp>

#include <fstream>

#include <pm/json.hpp>

#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// A node, and pmctl called on its state directory.
struct fixture {
  fake_node node;

  child_outcome pmctl(std::vector<std::string> arguments,
                      const child_options& options = {}) {
    arguments.insert(arguments.begin(), {"--state-dir", node.dir()});
    return run_pmctl(arguments, options);
  }

  // The params of the only request for `method`.
  // Without the name that a request is given.
  std::string params(const std::string& method) {
    auto lines = node.seen(method);
    BOOST_REQUIRE_EQUAL(lines.size(), 1u);
    auto at = lines[0].find("\"params\":");
    auto text = lines[0].substr(at + 9, lines[0].size() - at - 10);
    if (auto name = text.find(",\"request_id\":\"pmctl-"); name != text.npos)
      text.erase(name, text.find('"', name + 15) + 1 - name);
    return text;
  }
};

std::string views(const std::vector<process_view>& xs) {
  std::string out = "[";
  for (auto& x : xs)
    out += (out.size() > 1 ? "," : "") + to_json(x);
  return out + "]";
}

const auto web = make_view("web", status::running);
const auto job = make_view("job", status::failed, [](auto& x) {
  x.reason = exit_reason::exited;
  x.exit_code = 3;
});

std::string outcome(const process_view& x, bool changed) {
  return fmt::format(R"({{"handle_id":"{}","changed":{},"process":{}}})",
                     x.handle_id, changed, to_json(x));
}

constexpr auto missing =
  R"({"handle_id":"nope","error":{"code":"no_such_process",)"
  R"("message":"stop 'nope': no such process"}})";

} // namespace

BOOST_FIXTURE_TEST_SUITE(verbs, fixture)

BOOST_AUTO_TEST_CASE(list_prints_a_table_and_quiet_only_names) {
  node.on_reply("list", views({job, web}));
  auto table = pmctl({"list"});
  BOOST_TEST(table.code == 0);
  BOOST_TEST(table.out
             == "NAME  STATUS    PID  UPTIME  RESTARTS  EXIT  COMMAND\n"
                "job   failed      -       -         0     3  sleep 60\n"
                "web   running  4242   3m12s         0     -  sleep 60\n");
  BOOST_TEST(pmctl({"ls", "-q"}).out == "job\nweb\n");
}

BOOST_AUTO_TEST_CASE(list_json_is_the_nodes_own_array) {
  auto text = views({job, web});
  node.on_reply("list", text);
  BOOST_TEST(pmctl({"list", "--json"}).out == text + "\n");
}

BOOST_AUTO_TEST_CASE(list_hands_its_filters_on) {
  node.on_reply("list", "[]");
  pmctl({"list", "web*", "[ab]", "--kind", "command", "--status", "running",
         "-l", "a=1", "-l", "b=x=y", "--timeout", "2", "--correlation-id",
         "c-1"});
  BOOST_TEST(params("list")
             == R"({"correlation_id":"c-1","timeout_ms":2000,)"
                R"("names":["web*","[ab]"],"kind":"command",)"
                R"("status":"running",)"
                R"("labels":{"a":"1","b":"x=y"}})");
}

BOOST_AUTO_TEST_CASE(global_options_stand_before_and_after_the_verb) {
  node.on_reply("list", "[]");
  for (auto& words : std::vector<std::vector<std::string>>{
         {"--json", "list"}, {"list", "--json"}, {"list", "x", "--json"}})
    BOOST_TEST(pmctl(words).out == "[]\n");
}

BOOST_AUTO_TEST_CASE(status_exits_as_the_lsb_says) {
  node.on("list", [](fake_node& to, const rapidjson::Document& request) {
    std::string name = request["params"]["names"][0].GetString();
    if (name == "web")
      to.reply(request, views({web}));
    else if (name == "job")
      to.reply(request, views({job}));
    else
      to.fail(request, ec::no_such_process, "no process '" + name + "'");
  });
  auto up = pmctl({"status", "web"});
  BOOST_TEST(up.code == 0);
  BOOST_TEST(up.out == "web is running (pid 4242, for 3m12s)\n");
  BOOST_TEST(pmctl({"status", "web", "job"}).code == 3);
  auto none = pmctl({"status", "nope", "web"});
  BOOST_TEST(none.code == 4);
  // A missing one hides no other.
  BOOST_TEST(none.out == up.out);
  BOOST_TEST(none.err == "pmctl: no process 'nope'\n");
  BOOST_TEST(pmctl({"status", "web", "--json"}).out == to_json(web) + "\n");
}

BOOST_AUTO_TEST_CASE(show_prints_fields_and_json_with_the_spec) {
  process_spec spec;
  spec.command = web.command;
  auto view = to_json(web);
  view.pop_back();
  view += ",\"spec\":" + to_json(spec) + "}";
  node.on_reply("list", views({web}));
  node.on_reply("show", view);
  BOOST_TEST(pmctl({"show", "web", "--json"}).out == view + "\n");
  auto text = pmctl({"show", "web"}).out;
  BOOST_TEST(text.starts_with("handle_id "));
  BOOST_TEST(text.find("restart_delay_max") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(stop_tells_each_outcome_and_exits_by_the_first_failure) {
  node.on_reply("stop",
                fmt::format("[{},{},{}]", outcome(job, false), missing,
                            outcome(make_view("web", status::stopped), true)));
  auto out = pmctl({"stop", "job", "nope", "web", "--force"});
  BOOST_TEST(out.code == 5);
  BOOST_TEST(out.out == "job: already failed (3)\nweb: stopped\n");
  BOOST_TEST(out.err == "pmctl: stop 'nope': no such process\n");
  BOOST_TEST(params("stop")
             == R"({"names":["job","nope","web"],"force":true,"wait":true})");
}

BOOST_AUTO_TEST_CASE(pattern_that_matches_nothing_is_no_such_process) {
  node.on_reply("restart", "[]");
  auto out = pmctl({"restart", "x*", "--no-wait"});
  BOOST_TEST(out.code == 5);
  BOOST_TEST(out.err == "pmctl: no process matches 'x*'\n");
  BOOST_TEST(params("restart")
             == R"({"names":["x*"],"force":false,"wait":false})");
}

BOOST_AUTO_TEST_CASE(names_may_be_those_of_verbs) {
  node.on_reply("stop", fmt::format("[{}]", outcome(web, true)));
  BOOST_TEST(pmctl({"stop", "list", "stop", "run"}).code == 0);
  BOOST_TEST(params("stop").find(R"(["list","stop","run"])")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(signal_is_checked_here_and_named_there) {
  node.on_reply("signal", fmt::format("[{}]", outcome(web, true)));
  auto sent = pmctl({"signal", "-s", "SIGHUP", "web"});
  BOOST_TEST(sent.code == 0);
  BOOST_TEST(sent.out == "web: sent HUP (pid 4242)\n");
  BOOST_TEST(params("signal") == R"({"names":["web"],"signal":"HUP"})");
  BOOST_TEST(pmctl({"signal", "-s", "NOPE", "web"}).code == 2);
}

BOOST_AUTO_TEST_CASE(start_defines_what_stands_behind_the_dashes) {
  node.on_reply("start", fmt::format("[{}]", outcome(web, true)));
  auto out = pmctl({"start", "--name", "web", "-e", "PORT=80", "--cwd", "/srv",
                    "--restart", "always", "--log-file", "/tmp/w.log", "-l",
                    "tier=front", "--env-file", "/etc/web.env", "--", "./serve",
                    "--json", "[x]"});
  BOOST_TEST(out.code == 0);
  BOOST_TEST(out.out == "web: running (pid 4242)\n");
  BOOST_TEST(
    params("start")
    == R"({"name":"web","spec":{"command":["./serve","--json","[x]"],)"
       R"("environment":{"PORT":"80"},"labels":{"tier":"front"},)"
       R"("env_file":"/etc/web.env","restart":"always",)"
       R"("log":{"file":"/tmp/w.log"}},"working_dir":"/srv","wait":true})");
}

BOOST_AUTO_TEST_CASE(start_sets_any_key_of_the_config) {
  node.on_reply("start", fmt::format("[{}]", outcome(web, true)));
  auto out = pmctl({"start",
                    "--name",
                    "web",
                    "--cwd",
                    "/",
                    "--log-file",
                    "/w.log",
                    "--set",
                    "log.size_max=50MB",
                    "--set",
                    "memory_limit=1000",
                    "--set",
                    "schedule.interval=1h",
                    "--set",
                    "secrets=[\"A\"]",
                    "--set",
                    "labels.a=b=c",
                    "--set",
                    "essential=true",
                    "--set",
                    "environment.PORT=80",
                    "--",
                    "x"});
  BOOST_TEST(out.code == 0);
  BOOST_TEST(params("start")
             == R"({"name":"web","spec":{"command":["x"],)"
                R"("log":{"file":"/w.log","size_max":"50MB"},)"
                R"("memory_limit":1000,"schedule":{"interval":"1h"},)"
                R"("secrets":["A"],"labels":{"a":"b=c"},"essential":true,)"
                R"("environment":{"PORT":"80"}},)"
                R"("working_dir":"/","wait":true})");
}

BOOST_AUTO_TEST_CASE(a_key_that_cannot_be_set_is_said) {
  for (auto* word : {"essential", "=x"}) {
    auto out = pmctl({"start", "--name", "w", "--set", word, "--", "x"});
    BOOST_TEST(out.code == 2);
    BOOST_TEST(out.err.find(std::string{"--set "} + word + ": KEY=VALUE")
                 != std::string::npos,
               out.err);
  }
  auto out = pmctl({"start", "--name", "w", "--set", "command=y", "--", "x"});
  BOOST_TEST(out.code == 2);
  BOOST_TEST(out.err.find("what it runs stands behind '--'")
               != std::string::npos,
             out.err);
  out = pmctl({"start", "--name", "w", "--restart", "always", "--set",
               "restart.x=1", "--", "x"});
  BOOST_TEST(out.code == 2);
  BOOST_TEST(out.err.find("what 'x' is in is no object") != std::string::npos,
             out.err);
  BOOST_TEST(node.seen("start").empty());
}

BOOST_AUTO_TEST_CASE(wait_exits_as_what_it_waited_for) {
  auto ended =
    R"({"handle_id":"job","changed":false,"process":)" + to_json(job) + "}";
  node.on_reply("wait", "[" + ended + "]");
  BOOST_TEST(pmctl({"wait", "job"}).code == 3);
  BOOST_TEST(params("wait") == R"({"names":["job"],"for":"ended"})");
  BOOST_TEST(pmctl({"wait", "job", "--json"}).out == to_json(job) + "\n");
  BOOST_TEST(pmctl({"wait", "j*", "--json"}).out == "[" + to_json(job) + "]\n");
  auto late =
    R"({"handle_id":"web","error":{"code":"timeout","message":"late"}})";
  node.on_reply("wait", fmt::format("[{},{}]", late, ended));
  auto both = pmctl({"wait", "web", "job", "--timeout", "1s"});
  BOOST_TEST(both.code == 124); // the first failure's
  BOOST_TEST(both.out.find("job") == 0u, both.out);
  node.on_reply("wait", "[]");
  BOOST_TEST(pmctl({"wait", "x*"}).code == 125);
  node.on_fail("wait", ec::no_such_process, "no process 'job'");
  BOOST_TEST(pmctl({"wait", "job"}).code == 125);
}

BOOST_AUTO_TEST_CASE(what_was_is_asked_for_each_that_is_named) {
  node.on_reply("list", views({web, job}));
  node.on("history", [](fake_node& to, const rapidjson::Document& request) {
    ended_run run;
    run.handle_id = request["params"]["name"].GetString();
    run.ended_at = timestamp{milliseconds{run.handle_id == "job" ? 2 : 1}};
    to.reply(request, "[" + to_json(run) + "]");
  });
  auto table = pmctl({"history", "*", "-n", "7"}).out;
  auto asked = node.seen("history");
  BOOST_TEST_REQUIRE(asked.size() == 2u);
  BOOST_TEST(asked[1].find(R"({"name":"job","count":7})") != std::string::npos);
  BOOST_TEST(table.find("NAME") == 0u, table);
  BOOST_TEST(table.find("job") < table.find("web"), table); // the newest first
  node.on_fail("list", ec::no_such_process, "nobody");
  BOOST_TEST(pmctl({"history", "run-1", "--json"}).out.find("run-1")
             != std::string::npos); // what is gone has a history still
}

BOOST_AUTO_TEST_CASE(events_are_followed_over_the_end_of_a_node) {
  process_event event;
  event.seq = 7;
  event.handle_id = "web";
  event.to = status::starting;
  auto lives = 0;
  node.on("events", [&](fake_node& to, const rapidjson::Document& request) {
    to.reply(request, "[" + to_json(event) + "]");
    auto members = to_json(event);
    to.notify(request, "event", "," + members.substr(1, members.size() - 2));
    if (++lives == 1)
      to.hang_up();
    else
      to.fail(request, ec::busy, "too slow");
  });
  auto out = pmctl({"events", "-f", "--json", "--since-seq", "6"});
  auto line = to_json(event) + "\n";
  BOOST_TEST(out.out == line + line + line + line);
  BOOST_TEST(out.err.find("waiting for the next one") != std::string::npos);
  BOOST_TEST(out.code == 1); // too slow
  auto asked = node.seen("events");
  BOOST_TEST_REQUIRE(asked.size() == 2u);
  BOOST_TEST(asked[0].find("since_seq") != std::string::npos);
  BOOST_TEST(asked[1].find("since_seq") == std::string::npos); // counts anew
}

BOOST_AUTO_TEST_CASE(node_verbs_say_what_came_of_them) {
  node.on_reply("cleanup", R"({"removed":3})");
  node.on_reply("save", R"({"generation":12})");
  node.on("shutdown", [](fake_node& here, const rapidjson::Document& request) {
    here.reply(request, "{}");
    here.hang_up();
  });
  BOOST_TEST(pmctl({"cleanup"}).out == "removed 3 records\n");
  BOOST_TEST(pmctl({"save", "--json"}).out == "{\"generation\":12}\n");
  BOOST_TEST(pmctl({"shutdown", "--leave-running"}).code == 0);
  BOOST_TEST(params("shutdown") == R"({"leave_running":true,"wait":true})");
}

BOOST_AUTO_TEST_CASE(version_tells_both_and_needs_no_node) {
  node.on_reply("version", R"({"program":"pm-node","version":"1.2"})");
  auto both = pmctl({"version", "--json"}).out;
  BOOST_TEST(both.find(R"("node":{"program":"pm-node","version":"1.2"})")
             != std::string::npos);
  auto alone = run_pmctl({"--socket", "/tmp/none.sock", "version", "--json"});
  BOOST_TEST(alone.code == 0);
  BOOST_TEST(alone.out.find(R"("node":null)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_a_node_the_codes_say_so) {
  auto code = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"--state-dir", "/tmp/pmctl-none"});
    return run_pmctl(words).code;
  };
  BOOST_TEST(code({"list"}) == 7);
  BOOST_TEST(code({"status", "x"}) == 7);
  BOOST_TEST(code({"stop", "x"}) == 7);
  BOOST_TEST(code({"run", "--", "true"}) == 125);
  BOOST_TEST(code({"wait", "x"}) == 125);
}

BOOST_AUTO_TEST_CASE(child_of_a_node_asks_its_own_manager) {
  node.on_reply("list", "[]");
  auto socket = "PM_SOCKET=" + node.dir() + "/control.sock";
  BOOST_TEST(run_pmctl({"list", "--json"}, {"", {socket}}).out == "[]\n");
  BOOST_TEST(run_pmctl({"list"}, {"", {socket, "PM_STATE_DIR=/tmp/none"}}).code
             == 7);
}

BOOST_AUTO_TEST_CASE(terminal_gets_a_table_of_its_width_in_colour) {
  auto evil = make_view("web", status::running, [](auto& x) {
    x.command = {"evil\x1b[2J", std::string(100, 'x')};
  });
  node.on_reply("list", views({evil}));
  child_options terminal;
  terminal.terminal = true;
  terminal.environment = {"TERM=xterm"};
  auto out = pmctl({"list"}, terminal).out;
  BOOST_TEST(out.find("\x1b[32mrunning\x1b[0m") != std::string::npos);
  BOOST_TEST(out.find("evil\\x1b") != std::string::npos);
  BOOST_TEST(out.find("…") != std::string::npos);
  terminal.environment.push_back("NO_COLOR=1");
  BOOST_TEST(pmctl({"list"}, terminal).out.find('\x1b') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(check_prints_each_problem_and_exits_with_6) {
  auto path = node.dir() + "/bad.json";
  std::ofstream{path} << "{\"processes\": {\n  \"web\": {\"comand\": []}}}\n";
  auto out = run_pmctl({"check", path});
  BOOST_TEST(out.code == 6);
  BOOST_TEST(out.out == "");
  BOOST_TEST(out.err.starts_with(path + ":"));
  BOOST_TEST(
    run_pmctl({"check", path, "--json"}).out.starts_with("[{\"file\":"));
}

BOOST_AUTO_TEST_CASE(check_knows_the_machines_users_and_groups) {
  auto path = node.dir() + "/users.json";
  auto write = [&](std::string_view user, std::string_view group) {
    std::ofstream{path} << fmt::format(
      R"({{"processes": {{"a": {{"command": ["true"], "user": "{}", )"
      R"("group": "{}"}}}}}})",
      user, group);
  };
  write("daemon", "daemon");
  auto good = run_pmctl({"check", path});
  BOOST_TEST(good.code == 0, good.err);
  write("nobody-has-this", "nor-this");
  auto bad = run_pmctl({"check", path});
  BOOST_TEST(bad.code == 6);
  BOOST_TEST(bad.err.find("no such user") != std::string::npos);
  BOOST_TEST(bad.err.find("no such group") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
