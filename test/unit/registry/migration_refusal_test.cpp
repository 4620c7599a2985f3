#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include "test/fuzz/fuzz_migration_entry.hpp"
#include "unit/registry/old_registries.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// One changed place, and what is said about the entry then.
struct malformed {
  std::string_view from;
  std::string_view to;
  std::string_view text;
};

constexpr malformed bad_streamers[] = {
  {"\"log_level\": \"INFO\"", "\"loglevel\": \"INFO\"",
   "field 'loglevel': unknown; did you mean 'log_level'?"},
  {"\"log_level\": \"INFO\",", "", "field 'log_level': missing"},
  {"\"status\": \"running\",", "", "field 'status': missing"},
  {"\"name\": \"elk-streamer-myenv\",", "", "field 'name': missing"},
  {"\"name\": \"elk-streamer-myenv\"", "\"name\": \"x\"",
   "field 'name': \"x\" is not its key, 'elk-streamer-myenv'"},
  {"\"name\": \"elk-streamer-myenv\"", "\"name\": 3",
   "field 'name': 3 is not a string"},
  {"4242", "\"4242\"",
   "field 'pid': \"4242\" is not a process id from 2 to 4194304"},
  {"4242", "-5", "field 'pid': -5 is not a process id from 2 to 4194304"},
  {"4242", "1", "field 'pid': 1 is not a process id from 2 to 4194304"},
  {"4242", "99999999999999999999",
   "field 'pid': 100000000000000000000.0 is not a process id from 2 to "
   "4194304"},
  {"4242", "42.5", "field 'pid': 42.5 is not a process id from 2 to 4194304"},
  {"\"pid\": 4242,", "", "field 'pid': missing"},
  {"\"pid\": 4242,", "\"pid\": 4242, \"pid\": 4243,",
   "field 'pid': given twice"},
  {"\"running\"", "\"flying\"",
   "field 'status': \"flying\" is not \"running\" or \"stopped\""},
  {"\"running\"", "null",
   "field 'status': null stands where a value is "
   "needed"},
  {"2025-11-20T10:11:12.345678+00:00", "yesterday",
   "field 'start_time': \"yesterday\" is not a time: ISO 8601 is expected, as "
   "in \"2026-11-22T23:04:05.678+01:00\""},
  {"2025-11-20T10", "2025-02-30T10",
   "field 'start_time': \"2025-02-30T10:11:12.345678+00:00\" is not a time: "
   "ISO 8601 is expected, as in \"2026-11-22T23:04:05.678+01:00\""},
  {"\"stop_time\": null", "\"stop_time\": 17",
   "field 'stop_time': 17 is not a string"},
  {"[\"api\", \"worker\"]", "\"api\"",
   "field 'components': \"api\" is not an array of strings"},
  {"[\"api\", \"worker\"]", "[\"api\", {}]",
   "field 'components': an object in it is not a string"},
  {"\"INFO\"", "[]", "field 'log_level': an array is not a string"},
  {"/var/log", "/var\\u0000/log",
   "field 'log_file': a NUL byte cannot be passed on"},
  {"500", "-1", "field 'batch_size': -1 is not a whole number from 0"},
  {"500", "1.5", "field 'batch_size': 1.5 is not a whole number from 0"},
  {"2.5", "\"2s\"", "field 'flush_interval': \"2s\" is not a number from 0"},
  {"\"http://localhost:9200\"", "true",
   "field 'elasticsearch_url': true is not a string"},
};

constexpr malformed bad_handles[] = {
  {"cli_command", "shell",
   "field 'process_type': \"shell\" is not \"cli_command\", "
   "\"python_function\" or \"async_task\""},
  {"[\"nginx\", \"-g\", \"daemon off;\"]", "[]",
   "field 'command_or_func': an empty array"},
  {"\"nginx\"", "\"\"", "field 'command_or_func': the program's name is empty"},
  {"\"nginx\"", "7", "field 'command_or_func': 7 in it is not a string"},
  {"[\"nginx\", \"-g\", \"daemon off;\"]", "{}",
   "field 'command_or_func': an object is not a string or an array of "
   "strings"},
  {"[\"nginx\", \"-g\", \"daemon off;\"]", "\"\"",
   "field 'command_or_func': empty"},
  {"{\"PORT\": \"8080\"}", "{\"PORT\": 8080}",
   "field 'env_vars': the value of 'PORT' is not a string"},
  {"{\"PORT\": \"8080\"}", "{\"PO=RT\": \"8080\"}",
   "field 'env_vars': 'PO=RT' is not a variable's name"},
  {"{\"PORT\": \"8080\"}", "{\"A\": \"1\", \"A\": \"2\"}",
   "field 'env_vars': 'A' is given twice"},
  {"{\"PORT\": \"8080\"}", "[]",
   "field 'env_vars': an array is not an object of strings"},
  {"\"exit_code\": null", "\"exit_code\": 256",
   "field 'exit_code': 256 is not an exit code: 0 to 255, or -N for signal N"},
  {"\"running\"", "\"flying\"",
   "field 'status': \"flying\" is not a known one, such as \"running\", "
   "\"stopped\", \"completed\" or \"failed\""},
  {"\"created_at\": \"2025-11-20T10:11:12Z\",", "",
   "field 'created_at': missing"},
  {"\"handle_id\": \"web\"", "\"handle_id\": \"we b\"",
   "its name 'we b' is not a handle id, which starts with a letter or digit "
   "and has at most 128 of A-Z a-z 0-9 . _ -"},
  {"\"handle_id\": \"web\"", "\"handle_id\": \"etl\"",
   "2 entries have this name, and nothing tells which one holds"},
  {"\"handle_id\": \"web\",", "", "field 'handle_id': missing"},
};

void check_skipped(std::string_view text, const malformed& x) {
  auto plan = plan_migration(replaced(text, x.from, x.to), "x", old_world());
  BOOST_REQUIRE_MESSAGE(plan, (plan ? "" : plan.error().text));
  auto& entry = plan->entries[0];
  BOOST_TEST((entry.outcome == migration_outcome::skipped), x.text);
  BOOST_TEST(entry.text == x.text);
  BOOST_TEST(!entry.record.has_value());
  // The others go on.
  BOOST_TEST((plan->entries.back().outcome == migration_outcome::stopped));
}

std::string refusal(std::string_view text) {
  auto x = plan_migration(text, "old.json", old_world());
  BOOST_REQUIRE(!x);
  BOOST_TEST((x.error().code == ec::format_refused));
  return x.error().text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(migration_refusal)

BOOST_AUTO_TEST_CASE(each_malformed_field_of_a_streamer_skips_only_it) {
  for (auto& x : bad_streamers)
    check_skipped(old_streamers, x);
}

BOOST_AUTO_TEST_CASE(each_malformed_field_of_a_handle_skips_only_it) {
  for (auto& x : bad_handles)
    check_skipped(old_handles, x);
}

BOOST_AUTO_TEST_CASE(every_missing_field_of_a_streamer_is_named) {
  for (auto field : {"name", "connection_profile", "pid", "status",
                     "start_time", "components", "log_level", "log_file",
                     "elasticsearch_url", "batch_size", "flush_interval"}) {
    auto text = std::string{old_streamers};
    auto begin = text.find(fmt::format("    \"{}\":", field));
    text.erase(begin, text.find('\n', begin) - begin);
    if (auto comma = text.find(",\n\n  }"); comma != std::string::npos)
      text.erase(comma, 1);
    auto plan = plan_migration(text, "x", old_world());
    BOOST_REQUIRE_MESSAGE(plan, field);
    BOOST_TEST(plan->entries[0].text
               == fmt::format("field '{}': missing", field));
  }
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_no_object_is_skipped) {
  auto plan =
    plan_migration(R"({"a": 1, "b": null, "c": [{}]})", "x", old_world());
  BOOST_REQUIRE(plan);
  BOOST_TEST(plan->count(migration_outcome::skipped) == 3u);
  BOOST_TEST(plan->entries[0].text == "1 stands where an object is expected");
  auto array = plan_migration(R"([7])", "x", old_world());
  BOOST_REQUIRE(array);
  BOOST_TEST(array->entries[0].name == "entry 1");
}

BOOST_AUTO_TEST_CASE(a_name_that_is_given_twice_skips_both) {
  auto text = replaced(old_streamers, "\"elk-streamer-old\": {",
                       "\"elk-streamer-myenv\": {");
  auto plan = plan_migration(text, "x", old_world());
  BOOST_REQUIRE(plan);
  BOOST_TEST(plan->count(migration_outcome::skipped) == 2u);
}

BOOST_AUTO_TEST_CASE(an_empty_registry_has_an_empty_plan) {
  for (auto text : {"{}", "[]", " {\n} "})
    BOOST_TEST(plan_migration(text, "x", old_world())->entries.empty());
}

BOOST_AUTO_TEST_CASE(our_own_snapshot_is_refused) {
  auto own = "old.json: has a format number, so it is pm's own registry and "
             "not an old one: a node reads it from its state directory; "
             "nothing was changed";
  BOOST_TEST(refusal(R"({"format": 1, "generation": 3, "processes": {}})")
             == own);
  BOOST_TEST(refusal(R"({"format": 99})") == own);
}

BOOST_AUTO_TEST_CASE(a_text_that_is_not_json_is_refused_with_its_place) {
  BOOST_TEST(refusal("{\n  \"a\": NaN}")
             == "old.json:2:8: not JSON: Invalid value.; nothing was changed");
  BOOST_TEST(refusal("").starts_with("old.json:1:1: not JSON: "));
  BOOST_TEST(refusal("{\"a\": \"\xc3\x28\"}").starts_with("old.json:1:"));
  BOOST_TEST(refusal("{\"a\": 1e999}").find("not JSON: Number too big")
             != std::string::npos);
  BOOST_TEST(refusal("{} {}").starts_with("old.json:1:4: not JSON: "));
}

BOOST_AUTO_TEST_CASE(a_value_that_is_no_registry_is_refused) {
  for (auto text : {"3", "\"x\"", "null", "true"})
    BOOST_TEST(refusal(text)
               == "old.json: neither an object of streamers or handles nor "
                  "an array of handles; nothing was changed");
}

BOOST_AUTO_TEST_CASE(any_depth_is_read_without_a_crash) {
  constexpr size_t depth = 100'000;
  auto deep = std::string(depth, '[') + std::string(depth, ']');
  auto plan = plan_migration("{\"a\": " + deep + "}", "x", old_world());
  BOOST_REQUIRE(plan);
  BOOST_TEST(plan->entries[0].text
             == "an array stands where an object is expected");
  BOOST_TEST(plan_migration(deep, "x", old_world()).has_value());
  BOOST_TEST(refusal(std::string(depth, '[')).find("not JSON")
             != std::string::npos);
  auto field = plan_migration(
    replaced(old_streamers, "[\"api\", \"worker\"]", deep), "x", old_world());
  BOOST_TEST(field->entries[0].text
             == "field 'components': an array in it is not a string");
}

BOOST_AUTO_TEST_CASE(a_text_beyond_the_limit_is_refused) {
  std::string text(migration_bytes_max + 1, ' ');
  BOOST_TEST(refusal(text).find("at most 67108864 are read")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_live_world_proves_a_child_of_our_own) {
  auto before = live_world();
  BOOST_REQUIRE(before);
  int ends[2];
  BOOST_REQUIRE(pipe(ends) == 0);
  auto child = fork();
  if (child == 0) {
    char end;
    close(ends[1]);
    _exit(read(ends[0], &end, 1) == 0 ? 0 : 1);
  }
  close(ends[0]);
  BOOST_REQUIRE(child > 0);
  auto world = live_world().value();
  auto outcome = [&](timestamp recorded) {
    auto text = replaced(old_streamers, "4242", fmt::format("{}", child));
    text = replaced(text, "2025-11-20T10:11:12.345678+00:00",
                    format_timestamp(recorded));
    return plan_migration(text, "x", world)->entries[0].outcome;
  };
  auto live = world.find(child);
  BOOST_REQUIRE(live);
  BOOST_TEST(live->uid == getuid());
  // The kernel counts in ticks of 10 ms.
  BOOST_TEST((live->started_at >= before->now - milliseconds{20}));
  BOOST_TEST((live->started_at <= world.now + milliseconds{20}));
  BOOST_TEST((outcome(world.now) == migration_outcome::adopted));
  BOOST_TEST(
    (outcome(world.now - std::chrono::seconds{30}) == migration_outcome::lost));
  close(ends[1]); // it ends, and is a zombie until it has been waited for
  siginfo_t info{};
  BOOST_REQUIRE(
    waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  BOOST_TEST((outcome(world.now) == migration_outcome::lost));
  BOOST_REQUIRE(waitpid(child, nullptr, 0) == child);
  BOOST_TEST((outcome(world.now) == migration_outcome::lost));
}

BOOST_AUTO_TEST_SUITE_END()
