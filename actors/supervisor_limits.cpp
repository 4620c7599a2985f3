#include "actors/supervisor.hpp"

#include <csignal>
#include <utility>

#include <caf/send.hpp>

// What a run uses, and what follows where that is too much. Only runs with a
// limit are measured.

namespace pm {

// What shells exit with when their child has died of SIGKILL.
constexpr int passed_on = 128 + SIGKILL;

void supervisor_state::begin_limits() {
  auto& state = record_.state;
  if (limits_.is_on || !needs_measuring(spec(), limits_.held) || state.foreign)
    return;
  limits_ = {.held = limits_.held};
  limits_.is_on = true;
  usage_root root{state.run_id, state.identity.pid, state.identity.start_ticks};
  on_->usage->watch(root, [me = supervisor_actor{self_},
                           run = state.run_id.str()](const run_usage& x) {
    caf::anon_send(me, limit_atom::value, run, x.rss_bytes,
                   static_cast<uint64_t>(x.cpu.count()), x.processes);
  });
}

void supervisor_state::end_limits() {
  if (std::exchange(limits_.is_on, false))
    on_->usage->forget(record_.state.run_id);
}

// A new definition: other limits count from the next sample on.
void supervisor_state::keep_limits(const process_spec& before) {
  if (record_.state.status != status::running)
    return;
  if (before.cpu_limit != spec().cpu_limit)
    if (cpu_is_within(std::exchange(limits_.over_cpu, {})))
      keep_intent();
  if (limits_of(before) != limits_of(spec()))
    on_->host->limit(record_.state.run_id, limits_of(spec()));
  measure_as_needed();
}

void supervisor_state::held(const std::string& run, const held_limits& what) {
  if (!is_current(run))
    return;
  limits_.held = what;
  measure_as_needed();
}

void supervisor_state::measure_as_needed() {
  if (record_.state.status != status::running)
    return;
  if (needs_measuring(spec(), limits_.held))
    begin_limits();
  else
    end_limits();
}

// The end of a run that the kernel has ended for its memory counts as one that
// pm had asked for.
void supervisor_state::blame_memory() {
  auto& state = record_.state;
  failing_ = killed_words(spec());
  failing_cause_ = cause::memory_limit;
  state.asked =
    asker{cause::memory_limit, state.asked.correlation_id, -1, 0, {}, now()};
  end_asked_ = state.asked;
}

void supervisor_state::used(const std::string& run, uint64_t rss_bytes,
                            std::chrono::microseconds cpu, int processes) {
  if (!limits_.is_on || !is_current(run)
      || record_.state.status != status::running)
    return;
  auto found = judge_usage(spec(), limits_, rss_bytes, cpu, processes,
                           self_->clock().now());
  switch (found.turn) {
  case limit_turn::none:
    break;
  case limit_turn::over_memory:
    end_for(cause::memory_limit, std::move(found.text));
    break;
  case limit_turn::over_cpu:
    note_trouble(std::move(found.text));
    break;
  case limit_turn::within_cpu:
    (void)cpu_is_within(found.text);
    keep_intent();
    break;
  }
}

// What was told of it does not hold any more. True if it was shown.
bool supervisor_state::cpu_is_within(const std::string& told) {
  if (told.empty() || record_.state.status_text != told)
    return false;
  record_.state.status_text.clear();
  return true;
}

// Of a SIGKILL that pm has not sent, or that the process passes on from a child
// of its own as shells do: whether the kernel may have. To be asked
// before the end is taken over.
std::string supervisor_state::oom_words(const run_exit& how) const {
  auto& state = record_.state;
  auto is_killed = how.exit.signal == SIGKILL || how.exit.code == passed_on;
  if (!is_killed || state.status != status::running || was_killed_
      || how.over_memory || spec().kind == kind::task)
    return {};
  return on_->oom->words(state.identity.pid, oom_);
}

void supervisor_state::add_to_status(const std::string& words) {
  auto& text = record_.state.status_text;
  if (!words.empty())
    text += text.empty() ? words : "; " + words;
}

// -- the time of a run --------------------------------------------------------

// An actor that has ended takes memory until its last timer is due: here no
// longer than it has lived, and a second.
void supervisor_state::await_time_limit(milliseconds lived) {
  constexpr milliseconds at_first{1000};
  if (!record_.state.time_limit)
    return;
  lived = std::max(lived, milliseconds{0});
  began_ = self_->clock().now() - lived;
  auto left = std::max(*record_.state.time_limit - lived, milliseconds{0});
  self_->delayed_send(self_, std::min(left, lived + at_first),
                      expire_atom::value, ++limit_timer_);
}

void supervisor_state::time_limit_reached(uint64_t timer) {
  if (timer != limit_timer_ || record_.state.status != status::running)
    return;
  auto lived = std::chrono::floor<milliseconds>(self_->clock().now() - began_);
  if (lived < *record_.state.time_limit)
    return await_time_limit(lived);
  timed_out_ = true;
  record_.state.wanted = false;
  step(life_event::stop);
}

} // namespace pm
