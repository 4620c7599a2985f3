#pragma once

#include <string>
#include <vector>

#include <pm/record.hpp>

#include "apps/pmctl/render_table.hpp"

// Processes and events as people read them. `now` is the time that ages are
// counted to.

namespace pm::ctl {

// The colour that a status is shown in.
hue hue_of(const process_view& x);

// An argv as a person would type it; `/bin/sh -c TEXT` is TEXT. One line.
std::string command_text(const std::vector<std::string>& argv);

// How the last run ended, short: "0", "3", "KILL", "lost"; "-" if none did.
std::string exit_word(const process_view& x);

// "12.3M" and the like, powers of 1024.
std::string short_size(uint64_t bytes);

// NAME STATUS PID UPTIME RESTARTS EXIT COMMAND; `wide` puts CPU, MEM, READY,
// RUN and CAUSE before the command.
std::string list_table(const std::vector<process_view>& views, bool wide,
                       const look& how);

// "web is running (pid 4242, for 3m12s), restarted 2 times", without line end.
std::string status_line(const process_view& x, timestamp now, const look& how);

// All fields, one a line, those of the definition after those of the view.
std::string show_text(const process_view& x, const process_spec& spec,
                      const look& how);

// "2026-11-22T23:04:05.678Z web running -> failed (exit 3, policy)", without
// line end.
std::string event_line(const process_event& x, const look& how);

} // namespace pm::ctl
