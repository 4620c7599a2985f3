#pragma once

#include <string>

#include <pm/fields.hpp>
#include <pm/status.hpp>
#include <pm/units.hpp>

// What the restart policy would do, as `simulate` tells it.

namespace pm {

// An end that is assumed, after a run of this length.
struct assumed_end {
  exit_status exit;
  milliseconds uptime{0};

  bool operator==(const assumed_end&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("exit", x.exit), field("uptime_ms", x.uptime));
  }
};

// One run: when it starts and ends, counted from the first start, and what
// follows.
struct timetable_row {
  int run = 0; // from 1
  milliseconds starts{0};
  milliseconds ends{0};
  exit_status exit;
  bool restarts = false;
  milliseconds delay{0};             // before the next run
  pm::status then = status::stopped; // backoff, stopped or failed
  int failures = 0;                  // in a row, by then
  std::string text;                  // why not, or how long

  bool operator==(const timetable_row&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("run", x.run), field("starts_ms", x.starts),
                 field("ends_ms", x.ends), field("exit", x.exit),
                 field("restarts", x.restarts), field("delay_ms", x.delay),
                 field("then", x.then), field("failures", x.failures),
                 field("text", x.text));
  }
};

} // namespace pm
