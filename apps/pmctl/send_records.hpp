#pragma once

#include <string>
#include <vector>

#include "apps/pmctl/session.hpp"

namespace pm::ctl {

// What a node has made of one record that it was given.
struct record_outcome {
  std::string handle_id;
  std::string outcome; // "added", "refused"
  std::string text;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("outcome", x.outcome),
                 field("text", x.text));
  }
};

// Gives a node process records, as JSON with commas between them, in one
// request. Errors: those of the call; protocol_violation.
expected<std::vector<record_outcome>> send_records(session& here,
                                                   const std::string& records);

} // namespace pm::ctl
