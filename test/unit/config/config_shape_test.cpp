#include "test/unit/config/config_fixture.hpp"

#include <pm/config_diff.hpp>
#include <pm/json_fields.hpp>

#include "registry/config/config_shape.hpp"

// Specs and their differences in the words of a configuration file.

namespace {

constexpr auto whole = R"js({
  "command": "exec ./serve --port $PORT",
  "working_dir": "/srv", "environment": {"A_ms": "1", "PORT": "80"},
  "clear_environment": true, "user": "root", "group": "root",
  "umask": "027", "nice": 5, "limits": {"nofile": {"soft": 10, "hard": 20}},
  "autostart": false, "restart": "always", "restart_delay": "1500ms",
  "restart_delay_max": "1m", "restart_factor": 1.5, "restart_jitter": 0.25,
  "restart_reset_after": "1h", "start_limit": {"burst": 7, "interval": "9s"},
  "success_exit_codes": [0, 3, "TERM"],
  "depends_on": {"db_ms": {"condition": "ready", "stop": true}},
  "startup_probe": {"exec": ["./up", "now"], "period": "2s"},
  "readiness_probe": {"http_get": {"port": 80, "path": "/x",
                                   "headers": {"X": "1"}}, "timeout": "3s"},
  "liveness_probe": {"log_line": "^ok$", "initial_delay": "4s",
                     "success_count": 2, "failure_count": 5},
  "watchdog": "20s", "memory_limit": 50000000, "cpu_limit": 0.5,
  "shutdown": {"command": "./stop", "signal": "INT", "timeout": "5s",
               "kill_mode": "group",
               "then": [{"signal": "TERM", "timeout": "2s"}]},
  "hooks": {"pre_start": {"command": "./pre", "timeout": "7s"},
            "post_stop": {"command": ["./post"], "timeout": "8s"}},
  "log": {"file": "/var/log/web.log", "protect": false, "size_max": 1000,
          "rotate_every": "1h", "age_max": "24h", "files_max": 3,
          "compress": "gzip"},
  "essential": true, "secrets": ["PORT"], "labels": {"team_ms": "x"}
})js";

pm::process_definition definition_of(std::string_view json) {
  auto x = pm::parse_process("web", json, "/base");
  BOOST_REQUIRE_MESSAGE(x, (x ? std::string{} : to_string(x.error())));
  return x->front();
}

// Without what the file would not say: values that are not there.
void strip(rapidjson::Value& x) {
  if (!x.IsObject())
    return;
  for (auto member = x.MemberBegin(); member != x.MemberEnd();) {
    strip(member->value);
    auto& value = member->value;
    auto is_nothing = value.IsNull()
                      || (value.IsString() && value.GetStringLength() == 0)
                      || (value.IsObject() && value.ObjectEmpty())
                      || (value.IsArray() && value.Empty());
    member = is_nothing ? x.EraseMember(member) : member + 1;
  }
}

std::string written(const pm::process_spec& spec) {
  auto words = pm::config::in_config_words(spec);
  words.RemoveMember("replica");
  strip(words);
  rapidjson::StringBuffer buffer;
  pm::json::writer out{buffer};
  words.Accept(out);
  return buffer.GetString();
}

// "KEY: BEFORE -> AFTER", a line each; "!" where it needs a new run.
std::string changes(std::string_view before, std::string_view after) {
  std::string text;
  for (auto& x : pm::changed_keys(definition_of(before), definition_of(after)))
    text += fmt::format("{}{}: {} -> {}\n", x.key, x.restarts ? "!" : "",
                        x.before, x.after);
  return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(config_words)

BOOST_AUTO_TEST_CASE(a_spec_in_the_files_words_can_be_read_as_a_file) {
  for (auto json :
       {whole, R"({"command": ["ls", "-l"]})",
        R"({"python": "a.b:c", "args": [1, "x"], "kwargs": {"n": 2},
            "interpreter": "python3", "python_path": ["/p", "/q"],
            "readiness_probe": {"tcp": {"host": "::1", "port": 9}}})",
        R"({"function": "scale", "library": "/l.so", "args": [[1], 2.5],
            "readiness_probe": {"notify": true},
            "schedule": {"cron": "1 2 * * mon", "timezone": "Europe/Berlin",
                         "overlap": "queue", "missed": "run_once"}})",
        R"({"command": "x", "schedule": {"interval": "90s"}})"}) {
    auto spec = definition_of(json).spec;
    auto text = written(spec);
    BOOST_TEST_CONTEXT(text)
    BOOST_TEST((definition_of(text).spec == spec));
  }
}

BOOST_AUTO_TEST_CASE(a_difference_is_told_as_one_would_write_it) {
  BOOST_TEST(changes(R"({"command": "a b", "restart_delay": "1s"})",
                     R"({"command": ["c"], "restart_delay": "20s"})")
             == "command!: \"a b\" -> [\"c\"]\n"
                "restart_delay: \"1s\" -> \"20s\"\n");
  BOOST_TEST(
    changes(R"({"command": "x", "readiness_probe": {"tcp": {"port": 80}},
                "shutdown": {"signal": "INT"}})",
            R"({"command": "x", "readiness_probe": {"tcp": {"port": 81}},
                "shutdown": {"signal": "HUP"},
                "hooks": {"pre_stop": {"command": "y", "timeout": "1s"}}})")
    == "shutdown.signal: \"INT\" -> \"HUP\"\n"
       "readiness_probe.tcp.port: 80 -> 81\n"
       "hooks.pre_stop.command: null -> \"y\"\n"
       "hooks.pre_stop.timeout: null -> \"1s\"\n");
  BOOST_TEST(
    changes(R"({"command": "x", "umask": "022"})",
            R"({"command": "x", "limits": {"core": {"soft": 0, "hard": 9}}})")
    == "umask!: \"022\" -> null\n"
       "limits.core.soft!: null -> 0\n"
       "limits.core.hard!: null -> 9\n");
}

BOOST_AUTO_TEST_CASE(one_that_begins_to_notify_needs_a_new_run) {
  BOOST_TEST(changes(R"({"command": "x", "readiness_probe": {"exec": "a"}})",
                     R"({"command": "x", "readiness_probe": {"notify": true}})")
             == "readiness_probe.exec: \"a\" -> null\n"
                "readiness_probe.notify!: null -> true\n");
  BOOST_TEST(
    changes(R"({"command": "x"})", R"({"command": "x", "watchdog": "2s"})")
    == "watchdog!: null -> \"2s\"\n");
}

BOOST_AUTO_TEST_CASE(a_secret_stays_one) {
  auto text = changes(R"({"command": "x", "environment": {"KEY": "old"},
                          "secrets": ["KEY"]})",
                      R"({"command": "x", "environment": {"KEY": "new"},
                          "secrets": ["KEY"]})");
  BOOST_TEST(text == "environment.KEY!: \"(secret)\" -> \"(secret)\"\n");
}

BOOST_AUTO_TEST_SUITE_END()
