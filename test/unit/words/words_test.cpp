#define BOOST_TEST_MODULE words
#include <boost/test/unit_test.hpp>

#include <set>

#include <pm/ids.hpp>
#include <pm/status.hpp>
#include <pm/units.hpp>

using namespace pm;
using namespace std::chrono_literals;

namespace {

const timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}
                     + 12h + 34min + 56s + 789ms};

} // namespace

BOOST_AUTO_TEST_CASE(durations_are_read_in_every_unit_and_summed) {
  auto read = [](std::string_view text) {
    return parse_duration(text).value();
  };
  BOOST_TEST((read("500ms") == 500ms));
  BOOST_TEST((read("10s") == 10s));
  BOOST_TEST((read("1.5s") == 1500ms));
  BOOST_TEST((read("1m30s") == 90s));
  BOOST_TEST((read("2h") == 2h));
  BOOST_TEST((read("1d") == 24h));
  BOOST_TEST((read("0") == 0ms));
}

BOOST_AUTO_TEST_CASE(what_is_no_duration_is_refused_with_its_text) {
  for (auto* text : {"", "5", "s", "5 s", "-1s", "1s!", "5x", "1e3s", "nan s",
                     "999999999d"}) {
    auto refused = parse_duration(text);
    BOOST_TEST_CONTEXT(text) {
      BOOST_REQUIRE(!refused);
      BOOST_TEST(refused.error().text.find(std::string{"'"} + text + "'")
                 == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_duration_that_is_written_reads_back) {
  for (auto x : {0ms, 1ms, 999ms, 1000ms, 90'000ms, 86'400'000ms, 93'784'005ms})
    BOOST_TEST((parse_duration(format_duration(x)).value() == x));
  BOOST_TEST(format_duration(90s) == "1m30s");
}

BOOST_AUTO_TEST_CASE(sizes_know_both_kinds_of_units) {
  BOOST_TEST(parse_size("100").value() == 100u);
  BOOST_TEST(parse_size("64KiB").value() == 65536u);
  BOOST_TEST(parse_size("50MB").value() == 50'000'000u);
  BOOST_TEST(parse_size("1.5K").value() == 1536u);
  for (auto* text : {"", "KB", "1 KB", "1TB", "-1", "99999999999GiB"})
    BOOST_TEST_CONTEXT(text)
  BOOST_TEST(!parse_size(text));
}

BOOST_AUTO_TEST_CASE(times_are_rfc_3339_in_utc) {
  BOOST_TEST(format_timestamp(noon) == "2026-11-22T12:34:56.789Z");
  BOOST_TEST((parse_timestamp("2026-11-22T12:34:56.789Z").value() == noon));
  BOOST_TEST(
    (parse_timestamp("2026-11-22T14:34:56.789+02:00").value() == noon));
  BOOST_TEST((parse_timestamp("2026-11-22 12:34:56.789123z").value() == noon));
  for (auto* text :
       {"", "2026-11-22", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T12:34:56", "2026-11-22T12:34:56Zx"})
    BOOST_TEST_CONTEXT(text)
  BOOST_TEST(!parse_timestamp(text));
}

BOOST_AUTO_TEST_CASE(ages_are_short) {
  BOOST_TEST(format_age(59'999ms) == "59s");
  BOOST_TEST(format_age(192s) == "3m12s");
  BOOST_TEST(format_age(4h + 7min) == "4h07m");
  BOOST_TEST(format_age(291h) == "12d03h");
  BOOST_TEST(format_age(-5s) == "0s");
}

BOOST_AUTO_TEST_CASE(run_ids_are_uuids_of_version_7_in_order_of_time) {
  auto first = run_id::make(noon);
  auto second = run_id::make(noon + 1ms);
  BOOST_TEST((first < second));
  auto text = first.str();
  BOOST_TEST(text.size() == 36u);
  BOOST_TEST(text[14] == '7');
  BOOST_TEST(std::string_view{"89ab"}.find(text[19]) != std::string_view::npos);
  BOOST_TEST((run_id::parse(text).value() == first));
  BOOST_TEST((run_id::parse("").value() == run_id{}));
  BOOST_TEST(!run_id::parse(text.substr(1)));
  BOOST_TEST(!run_id::parse(std::string(36, 'x')));
}

BOOST_AUTO_TEST_CASE(handle_ids_follow_the_rule) {
  for (auto* good : {"a", "web.1", "0-_.", "A23456789"})
    BOOST_TEST(check_handle_id(good).has_value());
  BOOST_TEST(check_handle_id(std::string(128, 'a')).has_value());
  BOOST_TEST(!check_handle_id(std::string(129, 'a')));
  for (auto* bad : {"", ".a", "-a", "a/b", "a b", "\xc3\xa4", "a\n"})
    BOOST_TEST(!check_handle_id(bad));
}

BOOST_AUTO_TEST_CASE(made_up_names_are_valid_and_differ) {
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i)
    names.insert(make_handle_id());
  BOOST_TEST(names.size() == 100u);
  BOOST_TEST(names.begin()->size() == 16u);
  BOOST_TEST(check_handle_id(*names.begin()).has_value());
}

BOOST_AUTO_TEST_CASE(globs_match_as_the_shell_does) {
  BOOST_TEST(matches_glob("web*", "web.1"));
  BOOST_TEST(matches_glob("[ab]?", "b2"));
  BOOST_TEST(!matches_glob("web", "web.1"));
}

BOOST_AUTO_TEST_CASE(signals_have_names_and_numbers) {
  BOOST_TEST(parse_signal("TERM").value() == 15);
  BOOST_TEST(parse_signal("SIGKILL").value() == 9);
  BOOST_TEST(parse_signal("34").value() == 34);
  for (auto* bad : {"", "0", "65", "-9", "term", "SIG", "9x"})
    BOOST_TEST(!parse_signal(bad));
  BOOST_TEST(signal_name(15) == "TERM");
  BOOST_TEST(signal_name(40) == "40");
}

BOOST_AUTO_TEST_CASE(error_codes_keep_their_names_and_numbers) {
  BOOST_TEST(to_string(ec::no_such_process) == "no_such_process");
  BOOST_TEST(static_cast<int>(ec::no_such_process) == 2);
  BOOST_TEST(static_cast<int>(ec::cancelled) == 22);
  BOOST_TEST((error_code_named("timeout") == ec::timeout));
  BOOST_TEST((error_code_named("nonsense") == ec::none));
  BOOST_TEST(to_string(static_cast<ec>(255)) == "invalid_code");
}

BOOST_AUTO_TEST_CASE(an_exit_is_described_without_ever_inventing_a_zero) {
  BOOST_TEST(describe(exit_status{exit_reason::exited, 3, {}}) == "exit 3");
  BOOST_TEST(describe(exit_status{exit_reason::signaled, {}, 9})
             == "signal 9 (KILL)");
  BOOST_TEST(describe(exit_status{}) == "lost");
}
