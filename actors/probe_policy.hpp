#pragma once

#include <chrono>
#include <optional>

#include <pm/record.hpp>

// When the answers of a probe turn it, and what a process is by its probes.
// Pure.

namespace pm {

// What an answer has changed.
enum class probe_turn : uint8_t { none, good, bad };

// Takes an answer into the count of a probe. It turns good after
// `success_count` good answers in a row, and bad after `failure_count` bad
// ones; each turn is told once, until the next. What a process says of itself
// needs no second time.
probe_turn note_answer(const probe_spec& spec, probe_report& report, bool good,
                       std::string text, timestamp at);

// The probe of this role; null if there is none.
const probe_spec* find_probe(const process_spec& spec, probe_role role);

// True if readiness is more than to be running.
bool has_readiness(const process_spec& spec);

// True if it is to say something of itself: it gets $NOTIFY_SOCKET.
bool wants_notify(const process_spec& spec);

// The hook of this moment; null if there is none.
const hook_spec* find_hook(const process_spec& spec, hook_moment moment);

// When a run was last heard of. On the steady clock: the wall clock may be set.
struct watchdog_state {
  using time_point = std::chrono::steady_clock::time_point;

  time_point seen;           // WATCHDOG=1, or the run's beginning
  time_point extended_until; // EXTEND_TIMEOUT_USEC
  bool is_doubtful = false;
};

// How long to wait until the next look; none: WATCHDOG=1 is overdue. A first
// look that finds nothing asks for one more, `watchdog_doubt` later: a node
// that was itself held up reads what came meanwhile.
std::optional<milliseconds> watchdog_wait(milliseconds interval,
                                          watchdog_state& state,
                                          watchdog_state::time_point now);

constexpr milliseconds watchdog_doubt{100};

} // namespace pm
