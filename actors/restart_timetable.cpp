#include "actors/restart_timetable.hpp"

#include "actors/restart_policy.hpp"

namespace pm {

namespace {

constexpr double no_jitter = 0.5; // the middle of the range

} // namespace

std::vector<timetable_row>
restart_timetable(const process_spec& spec,
                  const std::vector<assumed_end>& ends) {
  std::vector<timetable_row> rows;
  process_state state;
  // Far from the clock's zero: what is counted reaches back from here.
  const timestamp begin{std::chrono::days{365}};
  auto now = begin;
  for (auto& end : ends) {
    timetable_row row;
    row.run = static_cast<int>(rows.size()) + 1;
    row.starts = now - begin;
    note_start(spec, state, now);
    now += end.uptime;
    row.ends = now - begin;
    row.exit = end.exit;
    auto decision =
      decide_restart(spec, state, end.exit, end.uptime, now, no_jitter);
    state.failures = decision.failures;
    row.restarts = decision.restart;
    row.failures = decision.failures;
    row.text = decision.text;
    auto is_well = !decision.gave_up && is_success(spec, end.exit);
    row.then = decision.restart ? status::backoff
               : is_well        ? status::stopped
                                : status::failed;
    if (decision.restart)
      row.delay = decision.delay;
    rows.push_back(std::move(row));
    if (!decision.restart)
      break;
    now += decision.delay;
  }
  return rows;
}

} // namespace pm
