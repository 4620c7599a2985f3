#pragma once

#include <optional>

#include <pm/call.hpp>

#include "actors/supervision.hpp"

// How a process that calls a function is started, and what it gave.

namespace pm {

// Sets what runs the call of `record`, in its environment and with its call on
// descriptor 0. The spec of `record` has a call. Errors: storage_failed,
// invalid_argument.
expected<void> prepare_call(const supervision& on, const process_record& record,
                            spawn_request& to);

// The program and its arguments that call a Python function, up to the name.
std::vector<std::string> python_command(const call_spec& call);

// The body of a call (call_format.md).
std::string call_body(const call_spec& call);

// Reads what the call of a run that ended so has given; none if it gave
// nothing, which its end explains.
std::optional<call_outcome> outcome_of(const supervision& on, const run_id& run,
                                       const exit_status& exit);

// `x` as it is kept on record: bounded.
call_outcome for_the_record(const call_outcome& x);

} // namespace pm
