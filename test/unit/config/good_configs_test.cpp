#include <unistd.h>

#include "test/unit/config/config_fixture.hpp"

using namespace std::chrono_literals;
using pm_test::config_fixture;

namespace {

const pm::process_spec& spec_of(const pm::node_config& config,
                                std::string_view name) {
  for (auto& x : config.processes)
    if (x.handle_id == name)
      return x.spec;
  throw std::runtime_error("no process " + std::string{name});
}

struct good_fixture : config_fixture {
  pm::node_config load(const std::string& path) {
    auto config = pm::load_config(path, lookup());
    if (!config)
      throw std::runtime_error(to_string(config.error()));
    return std::move(*config);
  }

  pm::node_config load_every_key() {
    copy("test/unit/config/good", "good");
    variables["GIVEN"] = "given";
    return load(dir + "/good/every_key.json");
  }
};

std::vector<std::string> names_of(const pm::node_config& config) {
  std::vector<std::string> names;
  for (auto& x : config.processes)
    names.push_back(x.handle_id);
  return names;
}

using texts = std::map<std::string, std::string>;

} // namespace

BOOST_FIXTURE_TEST_SUITE(good_configs, good_fixture)

BOOST_AUTO_TEST_CASE(every_key_is_read) {
  auto config = load_every_key();
  BOOST_TEST(config.name == "alpha");
  BOOST_TEST(config.start_concurrency_max == 4);
  BOOST_TEST(config.path == dir + "/good/every_key.json");
  auto& web = spec_of(config, "web.2");
  pm::process_spec wanted;
  wanted.command = {"serve", "--root", "/srv/www", "$HOME", "$x"};
  wanted.working_dir = dir + "/good/www";
  wanted.environment = {
    {"LANG", "C"},           {"PORT", "8080"},       {"FROM", "given"},
    {"FIRST", "one"},        {"SHARED", "two"},      {"QUOTED", "a \"b\"\n$c"},
    {"SINGLE", "a # b \\n"}, {"PLAIN", "two words"}, {"EMPTY", ""}};
  wanted.env_file = dir + "/good/one.env:" + dir + "/good/two.env";
  wanted.clear_environment = true;
  wanted.user = "root";
  wanted.group = "0";
  wanted.umask = 027;
  wanted.nice = -5;
  wanted.limits = {{"nofile", 1024, 1024},
                   {"as", 64u << 20, 64u << 20},
                   {"core", std::nullopt, std::nullopt},
                   {"stack", 8u << 20, std::nullopt}};
  wanted.autostart = false;
  wanted.replica = 2;
  wanted.restart = pm::restart_mode::never;
  wanted.restart_delay = 250ms;
  wanted.restart_delay_max = 90s;
  wanted.restart_factor = 1.5;
  wanted.restart_jitter = 0.25;
  wanted.restart_reset_after = 5min;
  wanted.start_limit = {7, 1min};
  wanted.success_exit_codes = {0, 3};
  wanted.success_signals = {15, 10};
  wanted.depends_on = {
    {"db", {pm::dependency_condition::ready, true, true}},
    {"cache", {}},
  };
  wanted.shutdown = {
    2, 2s, pm::kill_mode::group, {{15, 3s}, {3, 10s}}, {"serve", "--stop"}};
  wanted.log = {"logs/web.log", false};
  pm::probe_spec startup;
  startup.role = pm::probe_role::startup;
  startup.kind = pm::probe_kind::notify;
  startup.failure_count = 6;
  pm::probe_spec liveness;
  liveness.role = pm::probe_role::liveness;
  liveness.kind = pm::probe_kind::tcp;
  liveness.port = 80;
  liveness.period = 2s;
  liveness.timeout = 3s;
  liveness.initial_delay = 4s;
  liveness.success_count = 5;
  wanted.probes = {startup, liveness};
  wanted.watchdog = 20s;
  wanted.memory_limit = 200'000'000;
  wanted.cpu_limit = 0.5;
  wanted.hooks = {
    {pm::hook_moment::pre_start, {"/bin/sh", "-c", "mkdir -p run"}, 30s},
    {pm::hook_moment::post_stop, {"rm", "-r", "run"}, 5s}};
  wanted.labels = {{"team", "core"}, {"tier", "front"}};
  BOOST_TEST((web.environment == wanted.environment));
  BOOST_TEST((web.limits == wanted.limits));
  BOOST_TEST((web == wanted));
}

BOOST_AUTO_TEST_CASE(a_string_runs_under_the_shell_in_the_files_directory) {
  auto config = load_every_key();
  auto& plain = spec_of(config, "plain");
  BOOST_TEST((plain.schedule
              == pm::schedule_spec{"*/5 9-17 * * mon-fri", std::nullopt,
                                   "Europe/Berlin", pm::overlap_policy::replace,
                                   pm::missed_policy::run_once}));
  std::vector<std::string> wanted{"/bin/sh", "-c", "exec ./serve --port $PORT"};
  BOOST_TEST(plain.command == wanted, boost::test_tools::per_element());
  BOOST_TEST(plain.working_dir == dir + "/good");
}

BOOST_AUTO_TEST_CASE(an_array_of_names_asks_that_they_are_started) {
  auto config = load_every_key();
  std::map<std::string, pm::dependency> wanted{{"web", {}}, {"cache", {}}};
  BOOST_TEST((spec_of(config, "plain").depends_on == wanted));
}

BOOST_AUTO_TEST_CASE(replicas_and_includes_come_in_order) {
  auto config = load_every_key();
  std::vector<std::string> wanted{"cache", "db", "web.1", "web.2", "plain"};
  BOOST_TEST(names_of(config) == wanted, boost::test_tools::per_element());
  for (auto& x : config.processes)
    BOOST_TEST((x.origin == pm::origin::config));
  BOOST_TEST(config.files.size() == 5u);
}

BOOST_AUTO_TEST_CASE(defaults_reach_into_includes_and_nearer_ones_win) {
  auto config = load_every_key();
  auto& db = spec_of(config, "db");
  BOOST_TEST((db.restart == pm::restart_mode::always));
  BOOST_TEST((db.labels == texts{{"team", "core"}, {"tier", "store"}}));
  BOOST_TEST((db.nice == 3));
  BOOST_TEST(db.working_dir == dir + "/good/conf.d/data");
  auto& cache = spec_of(config, "cache");
  BOOST_TEST(!cache.nice.has_value());
  BOOST_TEST(cache.working_dir == dir + "/good/conf.d");
  BOOST_TEST((cache.labels == texts{{"team", "core"}, {"tier", "back"}}));
}

BOOST_AUTO_TEST_CASE(what_is_not_given_stays_at_its_default) {
  auto path = write("x.json", R"({"processes": {"a": {"command": ["b"]}}})");
  pm::process_spec wanted;
  wanted.command = {"b"};
  wanted.working_dir = dir;
  BOOST_TEST((spec_of(load(path), "a") == wanted));
}

BOOST_AUTO_TEST_CASE(a_long_delay_alone_raises_its_maximum) {
  auto path = write("x.json", R"({"processes": {"a": {"command": "b",
    "restart_delay": "1m"}}})");
  BOOST_TEST((spec_of(load(path), "a").restart_delay_max == 1min));
}

BOOST_AUTO_TEST_CASE(an_empty_object_is_a_config_without_processes) {
  auto config = load(write("x.json", "\xef\xbb\xbf// only a mark\n{}"));
  BOOST_TEST(config.processes.empty());
  BOOST_TEST(config.name.empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_two_patterns_match_is_read_once) {
  write("d/x.json", R"({"processes": {"a": {"command": "b"}}})");
  auto config = load(
    write("x.json", R"({"include": ["d/*.json", "d/x.json", "d/[x].json"]})"));
  BOOST_TEST(config.processes.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_directory_whose_name_looks_like_a_pattern_works) {
  write("a[b]*/d/x.json", R"({"processes": {"a": {"command": "b"}}})");
  auto config = load(write("a[b]*/x.json", R"({"include": ["d/*.json"]})"));
  BOOST_TEST(config.processes.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_relative_path_is_shown_as_it_was_given) {
  write("sub/d/wrong.json", R"({"x": 1})");
  write("sub/x.json", R"({"include": ["d/*.json"]})");
  std::unique_ptr<char, decltype(&std::free)> before{::getcwd(nullptr, 0),
                                                     &std::free};
  BOOST_REQUIRE(::chdir(dir.c_str()) == 0);
  auto config = pm::load_config("sub/x.json", lookup());
  BOOST_REQUIRE(::chdir(before.get()) == 0);
  BOOST_REQUIRE(!config);
  BOOST_TEST(to_string(config.error())
             == "sub/d/wrong.json:1:2: unknown key 'x'");
}

BOOST_AUTO_TEST_CASE(ten_thousand_processes_load_within_seconds) {
  std::string text = R"({"processes": {)";
  for (int i = 0; i < 10'000; ++i)
    text += fmt::format("\"p{}\": {{\"command\": [\"sleep\", \"9\"], "
                        "\"labels\": {{\"n\": \"{}\"}}}},\n",
                        i, i);
  auto path = write("x.json", text + "}}");
  auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(load(path).processes.size() == 10'000u);
  BOOST_TEST(
    (std::chrono::steady_clock::now() - begin < 60s)); // not by the square
}

BOOST_AUTO_TEST_CASE(every_sample_loads) {
  copy("conf", "conf");
  for (auto name : {"demo.json", "minimal.json"}) {
    auto config = load(dir + "/conf/" + name);
    BOOST_TEST(!config.processes.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()
