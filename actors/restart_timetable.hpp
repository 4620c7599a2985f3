#pragma once

#include <string>
#include <vector>

#include <pm/record.hpp>
#include <pm/restart_table.hpp>

namespace pm {

// What the restart policy of `spec` makes of these ends, one after the other:
// from the code that decides it for real, with nothing counted before and
// jitter left out.
std::vector<timetable_row>
restart_timetable(const process_spec& spec,
                  const std::vector<assumed_end>& ends);

} // namespace pm
