#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "test/support/daemon_fixture.hpp"

// Functions under a real pm-node: by config, and by pmctl.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

std::string plugin() {
  return program("libthumbs_plugin.so");
}

// How many live processes have begun with this run's id.
int forked(const std::string& run) {
  int count = 0;
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator{"/proc", none}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && says(read_file(entry.path() / "environ"), "PM_RUN_ID=" + run)
        && process_exists(pid))
      ++count;
  }
  return count;
}

std::string python_path() {
  return PM_SOURCE_DIR "/test/facade/python";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(functions, daemon_fixture)

BOOST_AUTO_TEST_CASE(run_prints_the_result_of_a_python_function) {
  start();
  auto run = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> words{
      "run",           "--python",   name, "--interpreter", "/usr/bin/python3",
      "--python-path", python_path()};
    words.insert(words.end(), more.begin(), more.end());
    return ctl(words);
  };
  auto sum = run("pm_jobs:add", {"--args", "[2]", "--kwargs", R"({"b": 40})"});
  BOOST_TEST(sum.code == 0);
  BOOST_TEST(sum.out == "42\n");
  auto loud = run("pm_jobs:shout", {"--args", R"(["hey"])"});
  BOOST_TEST(loud.out == "\"HEY\"\n");
  BOOST_TEST(says(loud.err, "out hey\n"));
  BOOST_TEST(run("pm_jobs:leave", {"--args", "[3]"}).code == 3);
  auto failed = run("pm_jobs:fail", {"--args", R"(["no disk"])"});
  BOOST_TEST(failed.code == 1);
  BOOST_TEST(failed.out.empty());
  BOOST_TEST(says(failed.err, "ValueError: no disk"));
  BOOST_TEST(says(failed.err, "Traceback"));
  BOOST_TEST(run("pm_jobs:die", {}).code == 137);
  BOOST_TEST(run("pm_jobs:hang", {"--timeout", "300ms"}).code == 124);
  auto wrong = run("pm_jobs:add", {"--kwargs", "{"});
  BOOST_TEST(wrong.code == 2);
  BOOST_TEST(says(wrong.err, "--kwargs: not JSON"));
  auto json = ctl_json({"run", "--python", "pm_jobs:shout", "--args",
                        R"(["hey"])", "--interpreter", "/usr/bin/python3",
                        "--python-path", python_path()});
  BOOST_TEST(json["stdout"].GetString() == "out hey\n");
  BOOST_TEST(json["outcome"]["value"].GetString() == "HEY");
}

BOOST_AUTO_TEST_CASE(run_calls_a_function_of_a_plugin_library) {
  start();
  auto run = [&](const std::string& name, const std::string& args) {
    return ctl({"run", "--function", plugin() + ":" + name, "--args", args});
  };
  BOOST_TEST(run("scale", "[800, 600, 200]").out
             == "{\"width\":200,\"height\":150}\n");
  auto thrown = run("scale", "[0, 600, 200]");
  BOOST_TEST(thrown.code == 1);
  BOOST_TEST(says(thrown.err, "std::invalid_argument: sizes are above 0"));
  BOOST_TEST(says(run("scale", "[1]").err, "3 arguments expected, not 1"));
  BOOST_TEST(
    says(run("nothing", "[]").err, "has no function 'nothing'; it has scale"));
}

BOOST_AUTO_TEST_CASE(a_config_runs_functions_and_their_results_stay_on_record) {
  start(R"({"processes": {
    "sum": {"python": "pm_jobs:add", "args": [1], "kwargs": {"b": 2},
            "interpreter": "/usr/bin/python3", "restart": "never",
            "python_path": [")"
        + python_path() + R"("]},
    "thumb": {"function": "scale", "library": ")"
        + plugin() + R"(", "args": [8, 6, 4], "restart": "never"},
    "web": {"python": "http.server:test", "interpreter": "/usr/bin/python3",
            "kwargs": {"port": 0, "bind": "127.0.0.1"}}
  }})");
  BOOST_TEST(wait_for_status("sum", "stopped"));
  BOOST_TEST(show("sum")["result"].GetInt() == 3);
  BOOST_TEST(wait_for_status("thumb", "stopped"));
  BOOST_TEST(show("thumb")["result"]["width"].GetInt() == 4);
  BOOST_TEST(wait_until([&] { return says(log_of("web"), "Serving HTTP"); }));
  auto pid = pid_of("web");
  crash();
  start();
  BOOST_TEST(pid_of("web") == pid);
  BOOST_TEST(show("sum")["result"].GetInt() == 3);
  BOOST_TEST(ctl({"stop", "web"}).code == 0);
  BOOST_TEST(!process_exists(pid));
}

// Its result comes while no node is there.
BOOST_AUTO_TEST_CASE(a_result_that_comes_while_the_node_is_dead_is_kept) {
  start();
  BOOST_TEST(ctl({"start", "--name", "nap", "--python", "pm_jobs:nap", "--args",
                  "[0.5]", "--interpreter", "/usr/bin/python3", "--python-path",
                  python_path(), "--restart", "never"})
               .code
             == 0);
  auto pid = pid_of("nap");
  crash();
  BOOST_TEST(wait_until([&] { return !process_exists(pid); }));
  start();
  BOOST_TEST(wait_for_status("nap", "stopped"));
  BOOST_TEST(show("nap")["result"].GetString() == "slept");
}

// Only an ordinary user's processes are counted, and only root can become one.
boost::test_tools::assertion_result is_root(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result{::geteuid() == 0};
  result.message() << "only root can become another user";
  return result;
}

BOOST_AUTO_TEST_CASE(a_fork_bomb_under_a_limit_is_ended_whole,
                     *boost::unit_test::precondition(is_root)) {
  auto limit = 60;
  start(R"js({"processes": {"bomb": {"python": "subprocess:call",
    "args": [["python3", "-c", "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.01)"]],
    "working_dir": "/", "user": "nobody", "limits": {"nproc": )js"
        + std::to_string(limit) + R"js(}, "restart": "never",
    "shutdown": {"timeout": "1s"}}, "other": {"command": ["sleep", "1000"]}}})js");
  auto run = [&] { return std::string{show("bomb")["run_id"].GetString()}; };
  BOOST_REQUIRE(wait_until([&] { return forked(run()) >= limit / 2; }));
  BOOST_TEST(forked(run()) <= limit);
  auto id = run();
  auto other = pid_of("other");
  BOOST_TEST(ctl({"stop", "bomb"}).code == 0);
  BOOST_TEST(forked(id) == 0);
  BOOST_TEST(status_of("bomb") == "stopped");
  BOOST_TEST(pid_of("other") == other);
}

BOOST_AUTO_TEST_CASE(the_examples_do_what_they_say) {
  auto state = directory().file("example");
  auto example = program("background_jobs");
  auto first = run_command({example, state});
  BOOST_TEST(first.code == 0);
  BOOST_TEST(says(first.out, "20 + 22 = 42"));
  BOOST_TEST(says(first.out, "running: elk-streamer-myenv"));
  auto second = run_command({example, state, "stop"});
  BOOST_TEST(second.code == 0);
  BOOST_TEST(says(second.out, "web: stopped"));
  BOOST_TEST(says(second.out, "elk-streamer-myenv: stopped"));
  start();
  auto report = ctl({"run", "--python", "job_report:main", "--kwargs",
                     R"({"folder": "/etc"})", "--python-path",
                     PM_SOURCE_DIR "/apps/examples"});
  BOOST_TEST(says(report.out, "\"folder\":\"/etc\""));
}

BOOST_AUTO_TEST_SUITE_END()
