#include <boost/test/unit_test.hpp>

#include <tuple>

#include <pm/json.hpp>

using namespace pm;
using namespace std::chrono_literals;

namespace {

const timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}
                     + 12h + 1ms};

process_spec full_spec() {
  process_spec x;
  x.kind = kind::python;
  x.command = {"a", "b \"c\"\n"};
  x.working_dir = "/w";
  x.environment = {{"K", "V"}};
  x.env_file = "e";
  x.clear_environment = true;
  x.user = "u";
  x.group = "g";
  x.umask = 022;
  x.nice = -3;
  x.limits = {{"nofile", 1, 7}, {"core", std::nullopt, std::nullopt}};
  x.autostart = false;
  x.replica = 2;
  x.restart = restart_mode::always;
  x.restart_delay = 7ms;
  x.restart_delay_max = 8ms;
  x.restart_factor = 1.5;
  x.restart_jitter = 0.25;
  x.restart_reset_after = 9ms;
  x.start_limit = {3, 4ms};
  x.success_exit_codes = {1, 2};
  x.success_signals = {15};
  x.shutdown = {2, 5ms, kill_mode::process, {{3, 6ms}}, {"stop"}};
  x.log = {"l", false, 10, 11ms, 12ms, 13, compression::gzip};
  x.call = {"m:f", "l.so", "[1]", "{\"a\":1}", "python3.11", {"p"}};
  x.depends_on = {{"db", {dependency_condition::ready, true, true}}};
  x.probes = {{probe_role::liveness,
               probe_kind::tcp,
               {"c"},
               "h",
               1,
               "/x",
               {{"K", "V"}},
               "re",
               2ms,
               3ms,
               4ms,
               5,
               6}};
  x.watchdog = 14ms;
  x.hooks = {{hook_moment::post_stop, {"h"}, 15ms}};
  x.schedule = {"* * * * *", 16ms, "UTC", overlap_policy::queue,
                missed_policy::run_once};
  x.memory_limit = 17;
  x.cpu_limit = 1.5;
  x.essential = true;
  x.secrets = {"K"};
  x.labels = {{"team", "core"}};
  return x;
}

process_record full_record() {
  process_record x;
  x.definition = {"web", origin::config, noon, full_spec()};
  auto& s = x.state;
  s.status = status::backoff;
  s.wanted = s.held_down = s.foreign = s.removable = true;
  s.time_limit = milliseconds{300'000};
  s.asked = {cause::policy, "c", 1, 2, "pmctl", noon};
  s.run_asked = {cause::schedule, "d", 3, 4, "sh", noon + 5s};
  s.run_id = run_id::make(noon);
  s.identity = {12, 34, "boot"};
  s.started_at = noon;
  s.ended_at = noon + 1s;
  s.exit = exit_status{exit_reason::signaled, 1, 9};
  s.outcome =
    call_outcome{{"[1,{\"a\":null}]"}, call_failure{"ValueError", "m", "tb"}};
  s.ready = true;
  s.health = health::healthy;
  s.probes = {{probe_role::liveness, health::healthy, "t", noon, 1, 2}};
  s.notify_status = "busy";
  s.restart_count = 5;
  s.failures = 6;
  s.retry_at = noon + 2s;
  s.due_at = noon + 4s;
  s.awaits_due = true;
  s.due_again = true;
  s.recent_starts = {noon, noon + 3s};
  s.last_updated = noon + 4s;
  s.status_text = "t";
  return x;
}

template <class T>
void require_no_default(const T& x);

template <class T>
void require_changed(std::string_view name, const T& ours, const T& fresh) {
  BOOST_REQUIRE_MESSAGE(!(ours == fresh), name << " has its default");
  if constexpr (has_fields<T>)
    require_no_default(ours);
}

template <class T>
void require_changed(std::string_view name, const std::optional<T>& ours,
                     const std::optional<T>& fresh) {
  BOOST_REQUIRE_MESSAGE(!(ours == fresh), name << " has its default");
  if constexpr (has_fields<T>)
    require_no_default(*ours);
}

template <class T>
void require_changed(std::string_view name, const std::vector<T>& ours,
                     const std::vector<T>& fresh) {
  BOOST_REQUIRE_MESSAGE(!(ours == fresh), name << " has its default");
  if constexpr (has_fields<T>)
    require_no_default(ours.front());
}

// No field of `x`, at any depth, may have the value that a new one has: a
// field that is missing on its list or in the codec would go unnoticed.
template <class T>
void require_no_default(const T& x) {
  const T fresh;
  auto all = [](auto... fs) { return std::tuple{fs...}; };
  auto ours = T::fields(x, all);
  auto defaults = T::fields(fresh, all);
  [&]<size_t... Is>(std::index_sequence<Is...>) {
    (require_changed(std::get<Is>(ours).name, std::get<Is>(ours).value,
                     std::get<Is>(defaults).value),
     ...);
  }
  (std::make_index_sequence<std::tuple_size_v<decltype(ours)>>{});
}

template <class T>
void require_round_trip(const T& x) {
  auto text = to_json(x);
  auto back = from_json<T>(text);
  BOOST_REQUIRE_MESSAGE(back, back.error().text);
  BOOST_REQUIRE((*back == x));
}

} // namespace

BOOST_AUTO_TEST_SUITE(json_of_field_lists)

BOOST_AUTO_TEST_CASE(every_field_of_a_record_makes_the_round_trip) {
  auto record = full_record();
  require_no_default(record);
  require_no_default(*record.state.exit);
  require_round_trip(record);
}

BOOST_AUTO_TEST_CASE(views_results_and_events_make_the_round_trip) {
  process_view view{"web",
                    kind::task,
                    status::running,
                    true,
                    health::healthy,
                    5,
                    "r",
                    "c",
                    {"x"},
                    noon,
                    noon,
                    noon,
                    noon,
                    3s,
                    1,
                    "TERM",
                    exit_reason::timeout,
                    json_text{"1"},
                    call_failure{"T", "m", "b"},
                    cause::probe,
                    2,
                    noon,
                    "t",
                    "l",
                    "w",
                    {{"K", "V"}},
                    {{"a", "b"}},
                    origin::config,
                    true,
                    1.5,
                    4096,
                    2,
                    3,
                    11,
                    7,
                    full_record().state.probes,
                    "busy",
                    noon + 5s};
  require_no_default(view);
  require_round_trip(view);
  process_result result{"h",
                        "out",
                        "err",
                        true,
                        true,
                        {exit_reason::exited, 3, 9},
                        call_outcome{{"1"}, call_failure{"T", "m", "b"}},
                        7ms};
  require_no_default(result);
  require_round_trip(result);
  process_event event{1,
                      noon,
                      "h",
                      "r",
                      "c",
                      status::running,
                      status::failed,
                      cause::policy,
                      9,
                      exit_status{exit_reason::exited, 1, 9},
                      "t",
                      true,
                      health::healthy};
  require_no_default(event);
  require_round_trip(event);
}

BOOST_AUTO_TEST_CASE(
  a_missing_field_keeps_its_default_and_an_unknown_one_passes) {
  auto x = from_json<shutdown_spec>(R"({"signal": 2, "of_tomorrow": [1]})");
  BOOST_REQUIRE(x);
  BOOST_TEST(x->signal == 2);
  BOOST_TEST((x->timeout == 10s));
}

BOOST_AUTO_TEST_CASE(a_wrong_type_is_named_with_its_place) {
  auto x = from_json<process_record>(
    R"({"definition": {"spec": {"limits": [{"name": 5}]}}})");
  BOOST_REQUIRE(!x);
  BOOST_TEST(x.error().text
             == "definition.spec.limits[0].name: a string expected");
  auto y = from_json<process_state>(R"({"status": "asleep"})");
  BOOST_REQUIRE(!y);
  BOOST_TEST(y.error().text == "status: a known name expected");
}

BOOST_AUTO_TEST_CASE(numbers_that_do_not_fit_are_refused) {
  BOOST_TEST(!from_json<shutdown_spec>(R"({"signal": 99999999999})"));
  BOOST_TEST(!from_json<identity>(R"({"start_ticks": -1})"));
}

BOOST_AUTO_TEST_CASE(what_is_no_json_is_refused_whatever_its_depth) {
  BOOST_TEST(!from_json<identity>(""));
  BOOST_TEST(!from_json<identity>("{\"pid\": NaN}"));
  BOOST_TEST(!from_json<identity>("{\"boot_id\": \"\xff\"}"));
  BOOST_TEST(!from_json<identity>(std::string(100'000, '[')));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_become_replacement_characters) {
  error x{ec::timeout, "a\xff\xe2\x82z"};
  BOOST_TEST(to_json(x)
             == "{\"code\":\"timeout\",\"text\":\"a\xef\xbf\xbd\xef\xbf\xbd"
                "\xef\xbf\xbdz\"}");
}

BOOST_AUTO_TEST_CASE(a_spec_that_exec_cannot_take_is_refused_by_field) {
  process_spec spec;
  BOOST_TEST(check_spec(spec).error().text
             == "command: empty; name a program to run");
  spec.command = {"x", std::string{"a\0b", 3}};
  BOOST_TEST(check_spec(spec).error().text
             == "command[1]: a NUL byte cannot be passed on");
  spec.command = {"x"};
  spec.environment = {{"A=B", "c"}};
  BOOST_TEST(check_spec(spec).error().text
             == "environment: 'A=B' is not a variable's name");
  spec.environment = {{"A", "\xff"}};
  BOOST_TEST(check_spec(spec).error().text == "environment.A: not valid UTF-8");
  spec.environment.clear();
  BOOST_TEST(check_spec(spec).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
