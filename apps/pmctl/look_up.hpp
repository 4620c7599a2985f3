#pragma once

#include <string>
#include <vector>

#include "apps/pmctl/session.hpp"

// Verbs that look at several processes one after the other.

namespace pm::ctl {

// The views of one name after another, as raw values in their replies.
struct looked_up {
  std::vector<control_message> replies;
  std::vector<const rapidjson::Value*> views;
  std::vector<error> missing; // no_such_process, one for each such name
};

// Asks for each name by itself, so that a missing one hides no other. Errors:
// those of `session::call`, but for no_such_process.
expected<looked_up> look_up(session& here,
                            const std::vector<std::string>& names, bool usage);

// The handle ids that a name or a pattern stands for; a name that nobody has
// stands for itself, since there may be something left of it. Errors:
// no_such_process (a pattern that matches nothing), those of `session::call`.
expected<std::vector<std::string>> ids_of(session& here,
                                          const std::string& name);

void emit_array(const std::vector<const rapidjson::Value*>& values);

// One value by itself where one exact name asks for it, else an array.
void emit_json(const std::vector<std::string>& names,
               const std::vector<const rapidjson::Value*>& values);

} // namespace pm::ctl
