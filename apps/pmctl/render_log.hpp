#pragma once

#include <string>

#include <pm/log_reader.hpp>

#include "apps/pmctl/log_sources.hpp"
#include "apps/pmctl/render_table.hpp"

namespace pm::ctl {

// How lines of logs are shown.
struct log_look {
  bool json = false;
  bool times = false;
  size_t name_width = 0; // of the prefix; 0: none
  look how;
};

// One line, with its line end. Plain text is byte for byte what was written;
// the last line of a log gets no line end that it does not have.
std::string log_text(const log_line& x, const log_source& from,
                     const log_look& show);

} // namespace pm::ctl
