#pragma once

#include <optional>
#include <string>

#include <pm/policy_spec.hpp>
#include <pm/units.hpp>

namespace pm {

// What is late by no more than this is on time: a node that was replaced
// meanwhile leaves nothing out.
constexpr milliseconds schedule_tolerance{60'000};

// What a look at a schedule says.
struct schedule_look {
  bool is_due = false;           // a run is due now
  std::optional<timestamp> next; // when the next one is; none: no time is left
  std::string left_out; // in words: a time that passed, and is not made up
};

// The first time of a schedule after `after`; of an interval, that much later.
// Cron times are those of the zone's wall: at a change of the clocks, a fixed
// time that does not exist is due at the change, one that comes twice is due
// the first time only; times of a starred hour are due whenever they come
// (cron(8)). None if the expression or the zone cannot be read, or no time
// comes.
std::optional<timestamp> next_due(const schedule_spec& spec, timestamp after);

// What is to be done now, with the time that was due next as it was last told;
// none: it is the first look. The first run of an interval is due at once. A
// clock that was set back makes nothing wait longer than the schedule says.
schedule_look look_at(const schedule_spec& spec, std::optional<timestamp> due,
                      timestamp now);

} // namespace pm
