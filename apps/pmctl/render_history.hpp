#pragma once

#include <string>
#include <vector>

#include <pm/record.hpp>

#include "apps/pmctl/render_table.hpp"

// What has been, as people read it. Times are the reader's local ones.

namespace pm::ctl {

// "12:03:07", with the date before it where that is not `now`'s.
std::string clock_text(timestamp x, timestamp now);

// "by uid 1000 (pmctl pid 5121), correlation 7f3a", "by policy", ...
std::string asker_text(const asker& x);

// ENDED RAN EXIT STARTED-BY ENDED-BY RUN, in the order given; NAME before them
// where the runs are of several processes.
std::string history_table(const std::vector<ended_run>& runs, timestamp now,
                          const look& how);

// Why a process is as it is: what is now, who asked for it, what was before.
std::string reasons_text(const process_reasons& x, timestamp now,
                         const look& how);

// What a node found when it began.
std::string recovery_text(const recovery_report& x);

} // namespace pm::ctl
