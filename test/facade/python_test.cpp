#include "test/facade/facade_fixture.hpp"

#include <thread>

// Python functions, in warm workers and in processes of their own.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(python_calls, facade_fixture)

BOOST_AUTO_TEST_CASE(a_function_takes_json_and_gives_json) {
  auto& pm = open();
  BOOST_TEST(
    value_of(pm.run_python("pm_jobs:add", "[2]", R"({"b": 3})")).value.text
    == "5");
  BOOST_TEST(value_of(pm.run_python("json:loads", R"(["{\"a\": [1, null]}"])"))
               .value.text
             == R"({"a":[1,null]})");
  BOOST_TEST(value_of(pm.run_python("pm_jobs:nap", "[0.01]")).value.text
             == "\"slept\"");
}

BOOST_AUTO_TEST_CASE(what_it_prints_is_its_own_and_only_its_own) {
  auto& pm = open();
  auto loud = value_of(pm.run_python("pm_jobs:shout", R"(["hey"])"));
  BOOST_TEST(loud.value.text == "\"HEY\"");
  BOOST_TEST(loud.stdout_text == "out hey\n");
  BOOST_TEST(loud.stderr_text == "err hey\n");
  auto flood = value_of(pm.run_python("pm_jobs:flood", "[200000]"));
  BOOST_TEST(says(flood.stdout_text, "line 199999\n"));
  BOOST_TEST(value_of(pm.run_python("pm_jobs:add", "[1]")).stdout_text.empty());
}

BOOST_AUTO_TEST_CASE(what_goes_wrong_is_told) {
  auto& pm = open();
  auto fails = [&](const std::string& name, const std::string& args = "[]") {
    auto why = error_of(pm.run_python(name, args));
    BOOST_TEST(to_string(why.code) == "call_failed");
    return why.text;
  };
  auto raised = fails("pm_jobs:fail", R"(["no disk"])");
  BOOST_TEST(says(raised, "ValueError: no disk"));
  BOOST_TEST(says(raised, "pm_jobs.py")); // its traceback
  BOOST_TEST(says(fails("pm_jobs:leave", "[3]"), "SystemExit: 3"));
  BOOST_TEST(says(fails("pm_jobs:not_json"), "the result is not JSON"));
  BOOST_TEST(says(fails("pm_jobs:nan"), "the result is not JSON"));
  BOOST_TEST(says(fails("no_module:f"), "ModuleNotFoundError"));
  BOOST_TEST(says(fails("pm_jobs:nothing"),
                  "module 'pm_jobs' has no function 'nothing'"));
  BOOST_TEST(says(fails("pm_jobs:add", "[]"), "TypeError"));
  BOOST_TEST(says(fails("pm_jobs:die"), "signal 9 (KILL)"));
  BOOST_TEST(says(fails("pm_jobs:raise_unprintable"),
                  "pm_jobs.Unprintable: (it cannot be printed: RuntimeError)"));
  BOOST_TEST(
    says(fails("pm_jobs:raise_half_a_character"), "ValueError: half ? of it"));
  // The rest goes on.
  BOOST_TEST(value_of(pm.run_python("pm_jobs:add", "[1]")).value.text == "2");
}

BOOST_AUTO_TEST_CASE(who_takes_the_output_away_takes_its_own) {
  auto& pm = open(); // one call after the other: in one worker
  for (auto how : {R"(["replace"])", R"(["close"])"}) {
    value_of(pm.run_python("pm_jobs:take_stdout", how));
    BOOST_TEST(
      value_of(pm.run_python("builtins:print", R"(["here"])")).stdout_text
      == "here\n");
  }
}

BOOST_AUTO_TEST_CASE(hostile_functions_harm_nobody_else) {
  auto& pm = open();
  for (std::string name : {"pm_jobs:endless_answer", "pm_jobs:garbage"}) {
    auto args = name == "pm_jobs:garbage" ? "[17]" : "[]";
    auto why = error_of(pm.run_python(name, args, {}, {.timeout = 20s}));
    BOOST_TEST(to_string(why.code) == "call_failed");
  }
  auto late =
    error_of(pm.run_python("pm_jobs:hang", {}, {}, {.timeout = 200ms}));
  BOOST_TEST(to_string(late.code) == "timeout");
  auto large = error_of(pm.run_python("pm_jobs:big", "[17000000]"));
  BOOST_TEST(says(large.text, "the result has"));
  BOOST_TEST(value_of(pm.run_python("pm_jobs:fork_and_return")).value.text
             == "\"parent\"");
  BOOST_TEST(value_of(pm.run_python("pm_jobs:add", "[1]")).value.text == "2");
}

BOOST_AUTO_TEST_CASE(a_background_function_is_stopped_as_any_program) {
  auto& pm = open();
  auto job = value_of(pm.start_python_background(
    "pm_jobs:on_term",
    {.handle_id = "py", .restart = pm::restart_mode::never}));
  BOOST_TEST(
    wait_until([&] { return read_file(job.log_file) == "waiting\n"; }));
  value_of(pm.stop_process("py"));
  auto ended = value_of(pm.get_status("py"));
  BOOST_TEST(ended.result.value().text == "\"asked to stop\"");
  BOOST_TEST(ended.exit_code.value() == 0);
  BOOST_TEST(ended.command[0] == "pm_jobs:on_term");
}

BOOST_AUTO_TEST_CASE(a_background_function_has_codes_failures_and_a_place) {
  auto& pm = open();
  auto run = [&](const char* name, const char* args) {
    value_of(pm.start_python_background(name,
                                        {.handle_id = "py",
                                         .working_dir = "/usr",
                                         .restart = pm::restart_mode::never},
                                        args));
    return value_of(pm.wait_for_process("py"));
  };
  BOOST_TEST(run("pm_jobs:leave", "[3]").exit_code.value() == 3);
  BOOST_TEST(run("pm_jobs:leave", "[0]").exit_code.value() == 0);
  auto failed = run("pm_jobs:fail", R"(["x"])");
  BOOST_TEST(failed.exit_code.value() == 1);
  BOOST_TEST(failed.failure.value().type == "ValueError");
  BOOST_TEST(says(failed.failure.value().traceback, "in fail"));
  BOOST_TEST(run("pm_jobs:where", "[]").result.value().text == "\"/usr\"");
  BOOST_TEST(run("pm_jobs:stdin", "[]").result.value().text == "\"\"");
  BOOST_TEST(
    run("pm_jobs:environment", R"(["PM_HANDLE_ID"])").result.value().text
    == "\"py\"");
  BOOST_TEST(run("pm_jobs:fork_and_return", "[]").result.value().text
             == "\"parent\"");
  BOOST_TEST(run("pm_jobs:close_output", "[]").result.value().text
             == "\"closed\"");
  auto garbage = run("pm_jobs:garbage", "[17]");
  BOOST_TEST(garbage.failure.value().type == "pm.BadResult");
}

BOOST_AUTO_TEST_CASE(a_code_that_is_a_success_is_one_for_functions_too) {
  auto& pm = open();
  pm::process_definition job;
  job.handle_id = "job";
  job.spec.kind = pm::kind::python;
  job.spec.call.emplace().name = "sys:exit";
  job.spec.call->args = "[3]";
  job.spec.success_exit_codes = {0, 3};
  value_of(pm.start_process(job));
  auto ended = value_of(pm.wait_for_process("job"));
  BOOST_TEST(to_string(ended.status) == "stopped");
  BOOST_TEST(ended.exit_code.value() == 3);
  BOOST_TEST(ended.restart_count == 0);
}

// Nobody here wrote it.
BOOST_AUTO_TEST_CASE(the_standard_library_does_real_work) {
  auto& pm = open();
  directory.write("one.py", "print('one')\n");
  auto done = value_of(
    pm.run_python("compileall:compile_dir", pm::arguments(directory.path())));
  BOOST_TEST(done.value.text == "true");
  BOOST_TEST(says(done.stdout_text, "one.py"));
}

BOOST_AUTO_TEST_SUITE_END()
