#include <boost/test/unit_test.hpp>

#include "actors/restart_policy.hpp"
#include "actors/restart_timetable.hpp"

using namespace pm;
using namespace std::chrono_literals;

namespace {

const timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}
                     + 12h};
const exit_status well{exit_reason::exited, 0, {}};
const exit_status badly{exit_reason::exited, 1, {}};
const exit_status killed{exit_reason::signaled, {}, 9};
const exit_status lost{exit_reason::lost, {}, {}};

restart_decision decide(const process_spec& spec, const exit_status& exit,
                        const process_state& state = {},
                        milliseconds uptime = 1s) {
  return decide_restart(spec, state, exit, uptime, noon, 0.5);
}

} // namespace

BOOST_AUTO_TEST_SUITE(restart_policy)

BOOST_AUTO_TEST_CASE(never_means_never) {
  process_spec spec;
  spec.restart = restart_mode::never;
  for (auto& exit : {well, badly, killed, lost})
    BOOST_TEST(!decide(spec, exit).restart);
}

BOOST_AUTO_TEST_CASE(on_failure_restarts_all_but_success) {
  process_spec spec;
  BOOST_TEST(!decide(spec, well).restart);
  for (auto& exit : {badly, killed, lost})
    BOOST_TEST(decide(spec, exit).restart);
}

BOOST_AUTO_TEST_CASE(always_restarts_a_success_too) {
  process_spec spec;
  spec.restart = restart_mode::always;
  BOOST_TEST(decide(spec, well).restart);
}

BOOST_AUTO_TEST_CASE(success_exit_codes_say_what_success_is) {
  process_spec spec;
  spec.success_exit_codes = {0, 1};
  BOOST_TEST(is_success(spec, badly));
  BOOST_TEST(!decide(spec, badly).restart);
  BOOST_TEST(!is_success(spec, killed));
  spec.success_exit_codes = {1};
  BOOST_TEST(!is_success(spec, well));
}

BOOST_AUTO_TEST_CASE(a_lost_exit_is_never_a_success) {
  process_spec spec;
  BOOST_TEST(!is_success(spec, lost));
}

BOOST_AUTO_TEST_CASE(without_a_delay_the_first_restart_is_at_once) {
  process_spec spec;
  BOOST_TEST((restart_delay(spec, 1, 0.5) == 0ms));
  BOOST_TEST((restart_delay(spec, 2, 0.5) == 100ms));
  BOOST_TEST((restart_delay(spec, 3, 0.5) == 200ms));
  BOOST_TEST((restart_delay(spec, 60, 0.5) == 30s));
}

BOOST_AUTO_TEST_CASE(a_given_delay_grows_by_the_factor_to_its_maximum) {
  process_spec spec;
  spec.restart_delay = 1s;
  spec.restart_factor = 3;
  spec.restart_delay_max = 20s;
  BOOST_TEST((restart_delay(spec, 1, 0.5) == 1s));
  BOOST_TEST((restart_delay(spec, 2, 0.5) == 3s));
  BOOST_TEST((restart_delay(spec, 3, 0.5) == 9s));
  BOOST_TEST((restart_delay(spec, 4, 0.5) == 20s));
}

BOOST_AUTO_TEST_CASE(
  jitter_moves_the_delay_both_ways_and_not_past_the_maximum) {
  process_spec spec;
  spec.restart_delay = 1s;
  spec.restart_jitter = 0.1;
  BOOST_TEST((restart_delay(spec, 1, 0.0) == 900ms));
  BOOST_TEST((restart_delay(spec, 1, 1.0) == 1100ms));
  spec.restart_delay_max = 1s;
  BOOST_TEST((restart_delay(spec, 1, 1.0) == 1s));
}

BOOST_AUTO_TEST_CASE(failures_in_a_row_are_counted_and_a_long_run_clears_them) {
  process_spec spec;
  process_state state;
  state.failures = 4;
  BOOST_TEST(decide(spec, badly, state, 1s).failures == 5);
  BOOST_TEST(decide(spec, badly, state, 10s).failures == 1);
}

BOOST_AUTO_TEST_CASE(the_start_limit_gives_up_and_says_why) {
  process_spec spec;
  process_state state;
  for (int i = 0; i < 5; ++i)
    note_start(spec, state, noon - 5s + i * 1s);
  auto decision = decide(spec, badly, state);
  BOOST_TEST(!decision.restart);
  BOOST_TEST(decision.text == "gave up: 5 starts within 10s");
  BOOST_TEST(decision.gave_up);
}

BOOST_AUTO_TEST_CASE(who_gives_up_has_failed_however_it_ended) {
  process_spec spec;
  spec.restart = restart_mode::always;
  spec.start_limit = {2, 1h};
  assumed_end well;
  well.exit = {exit_reason::exited, 0, {}};
  auto rows = restart_timetable(spec, {well, well, well});
  BOOST_REQUIRE(rows.size() == 2u);
  BOOST_TEST((rows.back().then == status::failed));
}

BOOST_AUTO_TEST_CASE(starts_outside_the_interval_do_not_count) {
  process_spec spec;
  process_state state;
  for (int i = 0; i < 5; ++i)
    note_start(spec, state, noon - 60s + i * 9s);
  BOOST_TEST(!start_limit_reached(spec, state, noon));
  BOOST_TEST(decide(spec, badly, state).restart);
}

BOOST_AUTO_TEST_CASE(a_clock_set_back_neither_blocks_nor_counts) {
  process_spec spec;
  process_state state;
  for (int i = 0; i < 5; ++i)
    note_start(spec, state, noon + 24h + i * 1s);
  BOOST_TEST(!start_limit_reached(spec, state, noon));
  note_start(spec, state, noon);
  BOOST_TEST(state.recent_starts.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_list_of_starts_is_bounded_by_the_burst) {
  process_spec spec;
  process_state state;
  for (int i = 0; i < 100; ++i)
    note_start(spec, state, noon + i * 1ms);
  BOOST_TEST(state.recent_starts.size() == 5u);
  BOOST_TEST((state.recent_starts.back() == noon + 99ms));
}

BOOST_AUTO_TEST_SUITE_END()
