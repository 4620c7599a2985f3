#include <boost/test/unit_test.hpp>

#include <random>

#include <fmt/format.h>

#include "test/fuzz/fuzz_migration_entry.hpp"
#include "unit/registry/old_registries.hpp"

using namespace pm;
using namespace pm::test;

namespace {

timestamp at(std::string_view text) {
  return parse_timestamp(text).value();
}

// A world with one live process, and what becomes of an old registry in it.
struct fixture {
  int pid = 4242;
  live_process live{at("2025-11-20T10:11:12.100Z"), 987, 1000};
  migration_world world = old_world();

  fixture() {
    world.find = [this](int x) {
      return x == pid ? std::optional{live} : std::nullopt;
    };
  }

  migration_plan plan(std::string_view text) {
    auto x = plan_migration(text, "old.json", world);
    BOOST_REQUIRE_MESSAGE(x, (x ? "" : x.error().text));
    return std::move(*x);
  }

  // Of a text in which the first `from` is replaced.
  migration_plan changed(std::string_view text, std::string_view from,
                         std::string_view to) {
    return plan(replaced(text, from, to));
  }

  error refusal(std::string_view text) {
    auto x = plan_migration(text, "old.json", world);
    BOOST_REQUIRE(!x);
    return x.error();
  }
};

std::string outcomes(const migration_plan& x) {
  std::string all;
  for (auto& entry : x.entries)
    all +=
      fmt::format("{}{}", all.empty() ? "" : " ", to_string(entry.outcome));
  return all;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(migration, fixture)

BOOST_AUTO_TEST_CASE(running_streamer_becomes_a_running_record) {
  auto x = plan(old_streamers);
  BOOST_TEST((x.format == migration_format::streamers));
  BOOST_TEST(outcomes(x) == "adopted stopped");
  auto& [definition, state] = *x.entries[0].record;
  BOOST_TEST(definition.handle_id == "elk-streamer-myenv");
  BOOST_TEST((definition.created_at == at("2025-11-20T10:11:12.345Z")));
  BOOST_TEST((definition.origin == origin::adhoc));
  auto& spec = definition.spec;
  BOOST_TEST((spec.kind == kind::command));
  BOOST_TEST(spec.command.empty());
  BOOST_TEST((spec.restart == restart_mode::never));
  BOOST_TEST(!spec.autostart);
  BOOST_TEST(spec.log.file == "/var/log/pctl/elk-streamer-myenv.log");
  BOOST_TEST((state.status == status::running));
  BOOST_TEST(state.wanted);
  BOOST_TEST((state.asked.cause == cause::user));
  BOOST_TEST((state.identity == identity{4242, 987, world.boot_id}));
  BOOST_TEST(bool{state.run_id});
  BOOST_TEST((state.started_at == live.started_at));
  BOOST_TEST((state.last_updated == world.now));
  BOOST_TEST(!state.exit.has_value());
}

BOOST_AUTO_TEST_CASE(fields_without_a_place_are_kept_as_labels_and_noted) {
  auto x = plan(old_streamers);
  std::map<std::string, std::string> wanted{
    {"pctl.connection_profile", "myenv"},
    {"pctl.pid", "4242"},
    {"pctl.status", "running"},
    {"pctl.start_time", "2025-11-20T10:11:12.345678+00:00"},
    {"pctl.components", "api,worker"},
    {"pctl.log_level", "INFO"},
    {"pctl.elasticsearch_url", "http://localhost:9200"},
    {"pctl.batch_size", "500"},
    {"pctl.flush_interval", "2.5"}};
  BOOST_TEST((x.entries[0].record->definition.spec.labels == wanted));
  BOOST_REQUIRE_EQUAL(x.entries[0].notes.size(), 2u);
  BOOST_TEST(x.entries[0].notes[0].find("kept as labels pctl.*")
             != std::string::npos);
  BOOST_TEST(x.entries[0].notes[1].find("cannot be started again")
             != std::string::npos);
  // A relative log file is somewhere else for us.
  auto& old = x.entries[1];
  BOOST_TEST(old.record->definition.spec.log.file == "");
  BOOST_TEST(old.record->definition.spec.labels.at("pctl.log_file")
             == "logs/old.log");
  BOOST_TEST(old.notes.back().starts_with("log_file \"logs/old.log\""));
}

BOOST_AUTO_TEST_CASE(a_password_in_the_url_is_noted) {
  auto x = changed(old_streamers, "http://localhost", "http://me:pw@localhost");
  BOOST_REQUIRE_EQUAL(x.entries[0].notes.size(), 3u);
  BOOST_TEST(x.entries[0].notes[2].find("password") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(stopped_streamer_stays_stopped_with_its_times) {
  auto x = plan(old_streamers);
  auto& state = x.entries[1].record->state;
  BOOST_TEST((state.status == status::stopped));
  BOOST_TEST(!state.wanted);
  BOOST_TEST(state.held_down);
  BOOST_TEST(!state.exit.has_value()); // nobody knows its code
  BOOST_TEST((state.started_at == at("2025-11-19T08:00:00Z")));
  BOOST_TEST((state.ended_at == at("2025-11-19T09:30:00Z")));
  BOOST_TEST(state.identity.pid == 0);
  BOOST_TEST(!state.run_id);
}

BOOST_AUTO_TEST_CASE(handles_map_to_our_kinds_and_fields) {
  auto x = plan(old_handles);
  BOOST_TEST((x.format == migration_format::handles));
  BOOST_TEST(outcomes(x) == "adopted stopped lost stopped");
  auto& web = x.entries[0].record->definition.spec;
  BOOST_TEST((web.kind == kind::command));
  BOOST_TEST(
    (web.command == std::vector<std::string>{"nginx", "-g", "daemon off;"}));
  BOOST_TEST(web.working_dir == "/srv/web");
  BOOST_TEST(web.log.file == "web.log"); // relative to the working directory
  BOOST_TEST(web.environment.at("PORT") == "8080");
  auto& etl = *x.entries[1].record;
  BOOST_TEST((etl.definition.spec.kind == kind::python));
  BOOST_TEST(etl.definition.spec.labels.at("handle.command_or_func")
             == "jobs.etl:main");
  BOOST_TEST(
    (etl.state.exit == exit_status{exit_reason::exited, 3, std::nullopt}));
  BOOST_TEST((etl.state.ended_at == at("2025-11-20T07:05:00Z")));
  BOOST_TEST((x.entries[2].record->definition.spec.kind == kind::task));
  auto& line = *x.entries[3].record;
  BOOST_TEST(
    (line.definition.spec.command
     == std::vector<std::string>{"/bin/sh", "-c", "sleep 1 && echo done"}));
  BOOST_TEST(line.definition.spec.working_dir == "");
  BOOST_TEST(line.definition.spec.labels.at("handle.working_dir") == "jobs");
  BOOST_TEST(
    (line.state.exit == exit_status{exit_reason::signaled, std::nullopt, 9}));
}

BOOST_AUTO_TEST_CASE(handles_may_stand_in_an_object) {
  auto text = R"({"line": )"
              + std::string{old_handles.substr(old_handles.rfind("  {\n"))};
  text.replace(text.rfind(']'), 1, "}");
  auto x = plan(text);
  BOOST_TEST((x.format == migration_format::handles));
  BOOST_TEST(outcomes(x) == "stopped");
  BOOST_TEST(outcomes(plan(replaced(text, "\"line\": ", "\"other\": ")))
             == "skipped");
}

BOOST_AUTO_TEST_CASE(a_process_up_to_a_second_younger_is_still_the_one) {
  live.started_at = at("2025-11-20T10:11:13.345Z");
  BOOST_TEST(outcomes(plan(old_streamers)) == "adopted stopped");
  live.started_at += milliseconds{1};
  BOOST_TEST(outcomes(plan(old_streamers)) == "lost stopped");
}

BOOST_AUTO_TEST_CASE(unproven_pids_are_lost_with_their_reason) {
  auto reason = [&] {
    auto x = plan(old_streamers);
    BOOST_TEST(outcomes(x) == "lost stopped");
    auto& state = x.entries[0].record->state;
    BOOST_TEST((state.status == status::stopped));
    BOOST_TEST((state.exit == exit_status{}));
    BOOST_TEST((state.exit->reason == exit_reason::lost));
    BOOST_TEST(!state.wanted);
    BOOST_TEST(state.identity.pid == 0);
    BOOST_TEST(!state.run_id);
    BOOST_TEST(state.status_text == "lost: " + x.entries[0].text);
    return x.entries[0].text;
  };
  live.started_at = at("2025-11-20T10:11:14Z");
  BOOST_TEST(reason()
             == "pid 4242 is another process now: it started at "
                "2025-11-20T10:11:14.000Z, and the recorded one at "
                "2025-11-20T10:11:12.345Z");
  live.uid = 33;
  BOOST_TEST(reason()
             == "pid 4242 belongs to uid 33 now, and you are uid 1000");
  pid = 1;
  BOOST_TEST(reason() == "pid 4242 is not alive any more");
  pid = 4242;
  live.uid = 1000;
  world.now = at("2025-11-20T10:11:10Z");
  BOOST_TEST(reason()
             == "pid 4242: the recorded start, 2025-11-20T10:11:12.345Z, is "
                "still to come and proves nothing");
}

BOOST_AUTO_TEST_CASE(one_pid_in_two_entries_proves_neither) {
  auto second = replaced(old_handles.substr(2), "\"web\"", "\"web-too\"");
  second = second.substr(0, second.find("  },") + 4);
  auto x = plan("[" + second + std::string{old_handles.substr(1)});
  BOOST_TEST(outcomes(x) == "lost lost stopped lost stopped");
  BOOST_TEST(x.entries[0].text
             == "pid 4242 is recorded for 'web', too, and cannot be both");
}

BOOST_AUTO_TEST_CASE(a_task_does_not_adopt_its_program) {
  auto x = changed(old_handles,
                   "\"command_or_func\": \"monitor\",\n"
                   "    \"pid\": null",
                   "\"command_or_func\": \"monitor\",\n    \"pid\": 4242");
  BOOST_TEST(outcomes(x) == "adopted stopped lost stopped");
}

BOOST_AUTO_TEST_CASE(times_without_a_zone_are_local) {
  auto old = getenv("TZ") == nullptr ? "" : std::string{getenv("TZ")};
  setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  tzset();
  auto start_of = [&](std::string_view text) {
    auto x = changed(old_streamers, "2025-11-19T08:00:00Z", text);
    return format_timestamp(*x.entries[1].record->state.started_at);
  };
  BOOST_TEST(start_of("2025-11-19T08:00:00") == "2025-11-19T07:00:00.000Z");
  BOOST_TEST(start_of("2025-07-01 08:00:00.25") == "2025-07-01T06:00:00.250Z");
  // 02:30 comes twice on this day; the earlier one claims less.
  BOOST_TEST(start_of("2025-10-26T02:30:00") == "2025-10-26T00:30:00.000Z");
  BOOST_TEST(start_of("2025-07-01T08:00:00-05:00")
             == "2025-07-01T13:00:00.000Z");
  if (old.empty())
    unsetenv("TZ");
  else
    setenv("TZ", old.c_str(), 1);
  tzset();
}

BOOST_AUTO_TEST_CASE(mutated_registries_are_planned_or_refused_with_words) {
  auto* given = std::getenv("PM_SEED");
  auto seed = given != nullptr ? std::strtoull(given, nullptr, 10)
                               : std::random_device{}();
  BOOST_TEST_MESSAGE("PM_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto below = [&](size_t bound) { return bound == 0 ? 0 : random() % bound; };
  static constexpr std::string_view tokens[] = {
    "{",    "}",    "[",     "]",     ",",           ":",    "\"",
    "null", "-",    "1e308", "0",     "\\u0000",     "NaN",  "\xc3\x28",
    "true", "4242", "1e999", "\"x\"", "\"running\"", "2025", "\\ud800"};
  size_t kept = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text{i % 2 == 0 ? old_streamers : old_handles};
    for (auto n = 1 + below(3); n > 0; --n) {
      auto where = below(text.size());
      switch (below(4)) {
      case 0:
        text[where] = static_cast<char>(random());
        break;
      case 1:
        text.erase(where, 1 + below(12));
        break;
      case 2:
        text.insert(where, tokens[below(std::size(tokens))]);
        break;
      default: {
        // A value that is another one.
        auto value = text.find(": ", where);
        auto end = text.find_first_of(",\n", value);
        if (end != std::string::npos)
          text.replace(value + 2, end - value - 2,
                       tokens[below(std::size(tokens))]);
      }
      }
    }
    BOOST_TEST_INFO("PM_SEED=" << seed << ", round " << i);
    kept += plan_any(text);
  }
  BOOST_TEST(kept > 0u);
}

BOOST_AUTO_TEST_SUITE_END()
