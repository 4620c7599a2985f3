#include <boost/test/unit_test.hpp>

#include <csignal>
#include <filesystem>

#include "test/support/daemon_fixture.hpp"

// Every verb of pmctl against a real pm-node with real children.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct fixture : daemon_fixture {
  fixture() { start(); }
};

std::string text_of(const rapidjson::Value& x) {
  return x.IsString() ? x.GetString() : "<no string>";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_verbs, fixture)

BOOST_AUTO_TEST_CASE(run_gives_output_code_and_duration) {
  auto result =
    ctl({"run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"});
  BOOST_TEST(result.code == 7);
  BOOST_TEST(result.out == "out\n");
  BOOST_TEST(result.err == "err\n");
  auto json = ctl_json({"run", "--", "sh", "-c", "echo out; echo err >&2"});
  BOOST_TEST(text_of(json["stdout"]) == "out\n");
  BOOST_TEST(text_of(json["stderr"]) == "err\n");
  BOOST_TEST(json["exit_code"].GetInt() == 0);
  BOOST_TEST(json["success"].GetBool());
  BOOST_TEST(json["duration_ms"].GetInt() >= 0);
  BOOST_TEST(text_of(json["handle"]).find("run-") == 0u);
  BOOST_TEST(ctl_json({"list"}).Size() == 0u); // its handle is gone
}

BOOST_AUTO_TEST_CASE(run_ends_as_its_child_does) {
  BOOST_TEST(ctl({"run", "--", "sh", "-c", "kill -9 $$"}).code == 137);
  BOOST_TEST(ctl({"run", "--timeout", "200ms", "--", "sleep", "60"}).code
             == 124);
  BOOST_TEST(ctl({"run", "--", "/no/such/program"}).code == 127);
  BOOST_TEST(ctl({"run", "--", "/etc/passwd"}).code == 126);
}

BOOST_AUTO_TEST_CASE(run_carries_stdin_of_any_size_and_bytes) {
  std::string bytes;
  for (int i = 0; i < 1'000'000; ++i)
    bytes += static_cast<char>(i * 7 + i / 256);
  auto result = ctl({"run", "--", "cat"}, bytes);
  BOOST_TEST(result.code == 0);
  BOOST_TEST((result.out == bytes));
}

BOOST_AUTO_TEST_CASE(run_streams_more_than_any_buffer_holds) {
  auto result = ctl({"run", "--", "head", "-c", "40000000", "/dev/zero"});
  BOOST_TEST(result.code == 0);
  BOOST_TEST(result.out.size() == 40'000'000u);
}

BOOST_AUTO_TEST_CASE(run_uses_the_callers_environment_and_directory) {
  auto here = std::filesystem::current_path().string();
  BOOST_TEST(ctl({"run", "--", "pwd"}).out == here + "\n");
  BOOST_TEST(ctl({"run", "-e", "K=v w", "--", "sh", "-c", "echo $K"}).out
             == "v w\n");
}

BOOST_AUTO_TEST_CASE(start_status_and_stop_by_name) {
  auto started = ctl({"start", "--name", "web", "--", "sleep", "1000"});
  BOOST_TEST_CONTEXT(started.err)
  BOOST_TEST(started.code == 0);
  BOOST_TEST(ctl({"status", "web"}).code == 0);
  auto pid = pid_of("web");
  BOOST_TEST(process_exists(pid));
  BOOST_TEST(ctl({"start", "web"}).code == 0); // is so already
  BOOST_TEST(pid_of("web") == pid);
  BOOST_TEST(ctl({"start", "--name", "web", "--", "true"}).code == 1);
  BOOST_TEST(ctl({"stop", "web"}).code == 0);
  BOOST_TEST(!process_exists(pid));
  BOOST_TEST(ctl({"status", "web"}).code == 3);
  BOOST_TEST(ctl({"stop", "web"}).code == 0); // idempotent
  BOOST_TEST(status_of("web") == "stopped");
}

BOOST_AUTO_TEST_CASE(start_takes_any_key_that_a_config_has) {
  ctl({"start", "--name", "db", "--", "sleep", "1000"});
  auto started =
    ctl({"start", "--name", "web", "--set", "depends_on.db.condition=started",
         "--set", "depends_on.db.stop=true", "--", "sleep", "1000"});
  BOOST_TEST(started.code == 0, started.err);
  BOOST_TEST(ctl({"stop", "db"}).code == 0);
  BOOST_TEST(status_of("web") == "stopped");
  auto later = ctl({"start", "--name", "job", "--set", "schedule.interval=1h",
                    "--set", "restart=never", "--no-wait", "--", "true"});
  BOOST_TEST(later.code == 0, later.err);
  BOOST_TEST(wait_for_status("job", "pending"));
  auto wrong =
    ctl({"start", "--name", "bad", "--set", "memory_limt=1", "--", "true"});
  BOOST_TEST(wrong.code == 6);
  BOOST_TEST(wrong.err.find("did you mean 'memory_limit'?")
               != std::string::npos,
             wrong.err);
}

BOOST_AUTO_TEST_CASE(a_name_that_nobody_has_is_said_and_coded) {
  for (auto* verb : {"stop", "start", "restart", "show", "rm"})
    BOOST_TEST_CONTEXT(verb) {
      auto result = ctl({verb, "nobody"});
      BOOST_TEST(result.code == 5);
      BOOST_TEST(result.err.find("nobody") != std::string::npos);
    }
  BOOST_TEST(ctl({"status", "nobody"}).code == 4);
  BOOST_TEST(ctl({"wait", "nobody"}).code == 125); // as no child's code
}

BOOST_AUTO_TEST_CASE(restart_makes_another_run_of_the_same_process) {
  ctl({"start", "--name", "web", "--", "sleep", "1000"});
  auto before = show("web");
  BOOST_TEST(ctl({"restart", "web"}).code == 0);
  auto after = show("web");
  BOOST_TEST(text_of(after["status"]) == "running");
  BOOST_TEST(text_of(after["run_id"]) != text_of(before["run_id"]));
  BOOST_TEST(!process_exists(before["pid"].GetInt()));
}

BOOST_AUTO_TEST_CASE(a_child_that_ignores_term_is_killed_after_its_grace) {
  ctl({"start", "--name", "deaf", "--", child("child_ignore_term")});
  BOOST_REQUIRE(wait_until([&] { return log_of("deaf").find("ready") == 0; }));
  auto pid = pid_of("deaf");
  auto begun = std::chrono::steady_clock::now();
  BOOST_TEST(ctl({"stop", "--force", "deaf"}).code == 0);
  BOOST_TEST((std::chrono::steady_clock::now() - begun < 5s));
  BOOST_TEST(!process_exists(pid));
  BOOST_TEST(text_of(show("deaf")["exit_signal"]) == "KILL");
}

BOOST_AUTO_TEST_CASE(signal_reaches_the_process) {
  ctl({"start", "--name", "trap", "--", "sh", "-c",
       "trap 'echo got usr1' USR1; echo ready; while :; do sleep 0.05; done"});
  BOOST_REQUIRE(wait_until([&] { return log_of("trap").find("ready") == 0; }));
  BOOST_TEST(ctl({"signal", "-s", "USR1", "trap"}).code == 0);
  BOOST_TEST(wait_until(
    [&] { return log_of("trap").find("got usr1") != std::string::npos; }));
}

BOOST_AUTO_TEST_CASE(wait_returns_the_code_of_the_end) {
  ctl({"start", "--name", "job", "--restart", "never", "--", "sh", "-c",
       "sleep 0.3; exit 9"});
  BOOST_TEST(ctl({"wait", "job"}).code == 9);
  BOOST_TEST(ctl({"--timeout", "100ms", "wait", "job", "--for", "running"}).code
             != 0);
}

BOOST_AUTO_TEST_CASE(list_filters_by_status_kind_and_label) {
  ctl({"start", "--name", "a", "-l", "team=core", "--", "sleep", "1000"});
  ctl({"start", "--name", "b", "-l", "team=web", "--", "sleep", "1000"});
  ctl({"stop", "b"});
  BOOST_TEST(ctl_json({"list"}).Size() == 2u);
  BOOST_TEST(ctl_json({"list", "--status", "running"}).Size() == 1u);
  auto labelled = ctl_json({"list", "-l", "team=web"});
  BOOST_REQUIRE(labelled.Size() == 1u);
  BOOST_TEST(text_of(labelled[0]["handle_id"]) == "b");
  BOOST_TEST(ctl_json({"list", "--kind", "python"}).Size() == 0u);
  auto table = ctl({"list"}).out;
  BOOST_TEST(table.find("NAME") == 0u);
  BOOST_TEST(table.find("sleep 1000") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(list_json_has_every_field_of_the_contract) {
  ctl({"start", "--name", "a", "--", "sleep", "1000"});
  auto views = ctl_json({"list"});
  for (auto* field :
       {"handle_id",   "kind",          "status",      "ready",
        "health",      "pid",           "run_id",      "correlation_id",
        "command",     "created_at",    "started_at",  "last_updated",
        "uptime_ms",   "exit_code",     "exit_signal", "exit_reason",
        "cause",       "restart_count", "log_file",    "working_dir",
        "environment", "labels",        "cpu_percent", "rss_bytes"})
    BOOST_TEST(views[0].HasMember(field), field);
}

BOOST_AUTO_TEST_CASE(logs_show_the_last_lines_of_one_and_of_many) {
  ctl({"start", "--name", "a", "--restart", "never", "--", "sh", "-c",
       "for i in 1 2 3 4 5; do echo a$i; done"});
  ctl({"start", "--name", "b", "--restart", "never", "--", "sh", "-c",
       "echo b1 >&2"});
  ctl({"wait", "a"});
  ctl({"wait", "b"});
  BOOST_TEST(ctl({"logs", "-n", "2", "a"}).out == "a4\na5\n");
  auto both = ctl({"logs", "a", "b"}).out;
  BOOST_TEST(both.find("a5") != std::string::npos);
  BOOST_TEST(both.find("b1") != std::string::npos);
  BOOST_TEST(log_of("a") == "a1\na2\na3\na4\na5\n");
}

BOOST_AUTO_TEST_CASE(rm_refuses_what_is_alive_and_cleanup_counts_the_rest) {
  ctl({"start", "--name", "a", "--", "sleep", "1000"});
  ctl({"start", "--name", "b", "--", "sleep", "1000"});
  BOOST_TEST(ctl({"rm", "a"}).code == 1);
  ctl({"stop", "a", "b"});
  BOOST_TEST(ctl({"rm", "a"}).code == 0);
  BOOST_TEST(ctl({"status", "a"}).code == 4);
  BOOST_TEST(ctl_json({"cleanup"})["removed"].GetInt() == 1);
  BOOST_TEST(ctl_json({"list"}).Size() == 0u);
}

BOOST_AUTO_TEST_CASE(events_tell_every_change_with_its_correlation) {
  ctl({"--correlation-id", "corr-1", "start", "--name", "a", "--", "sleep",
       "1000"});
  auto lines = ctl({"--json", "events"}).out;
  BOOST_TEST(lines.find("\"correlation_id\":\"corr-1\"") != std::string::npos);
  BOOST_TEST(lines.find("\"to\":\"running\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(globs_name_many) {
  for (auto* name : {"w1", "w2", "x1"})
    ctl({"start", "--name", name, "--", "sleep", "1000"});
  BOOST_TEST(ctl({"stop", "w*"}).code == 0);
  BOOST_TEST(status_of("w1") == "stopped");
  BOOST_TEST(status_of("w2") == "stopped");
  BOOST_TEST(status_of("x1") == "running");
  BOOST_TEST(ctl({"wait", "w*"}).code == 143); // of the TERM that ended them
  BOOST_TEST(ctl({"wait", "*", "--for", "running", "--timeout", "100ms"}).code
             == 124);
  BOOST_TEST(ctl_json({"why", "w*"}).Size() == 2u);
  BOOST_TEST(ctl_json({"history", "*"}).Size() == 2u);
}

BOOST_AUTO_TEST_CASE(save_and_version_answer) {
  BOOST_TEST(ctl_json({"save"})["generation"].GetInt() > 0);
  auto answer = ctl_json({"version"});
  auto& version = answer["node"];
  BOOST_TEST(version["pid"].GetInt() == node_pid());
  BOOST_TEST(text_of(version["state_dir"]) == state_dir());
}

BOOST_AUTO_TEST_CASE(a_client_that_goes_away_stops_its_run) {
  auto mark = directory().file("alive");
  auto result =
    run_command({"timeout", "-s", "KILL", "1", program("pmctl"), "--state-dir",
                 state_dir(), "run", "--name", "left", "--", "sleep", "1000"});
  BOOST_TEST(result.code == 137);
  BOOST_TEST(wait_until([&] { return ctl_json({"list"}).Size() == 0u; }));
}

BOOST_AUTO_TEST_CASE(usage_errors_are_code_2_and_a_missing_node_is_7) {
  BOOST_TEST(ctl({"no-such-verb"}).code == 2);
  BOOST_TEST(ctl({"list", "--no-such-option"}).code == 2);
  BOOST_TEST(
    run_command({program("pmctl"), "--state-dir", "/nowhere/at/all", "list"})
      .code
    == 7);
}

BOOST_AUTO_TEST_SUITE_END()
