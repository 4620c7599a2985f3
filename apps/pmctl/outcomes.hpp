#pragma once

#include <functional>
#include <string>

#include <pm/record.hpp>

#include "apps/pmctl/session.hpp"

namespace pm::ctl {

// Says in words what became of one process; `changed` is false where all was
// so already.
using outcome_words =
  std::function<std::string(const process_view& view, bool changed)>;

// The view in one outcome, or why there is none.
expected<process_view> process_of(const rapidjson::Value& outcome);

// Prints the node's outcomes of a verb for many, a line each (JSON with
// `--json`, nothing but failures with `-q`), and returns the exit code: that of
// the first failure. `names` are those that were asked for.
int show_outcomes(const session& here, const control_message& reply,
                  const std::vector<std::string>& names,
                  const outcome_words& words);

} // namespace pm::ctl
