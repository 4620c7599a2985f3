#pragma once

#include <pm/process_host.hpp>

#include "runtime/keeper/keeper_codec.hpp"

// From a spawn request to the keeper's words, and back to people's.

namespace pm {

// Makes the order for `what`, whose user and group are `become`. Errors:
// invalid_argument (a limit without a meaning).
expected<keeper::spawn_order> order_of(const spawn_request& what,
                                       credentials become);

// Says why the keeper could not spawn: "spawn 'web': /opt/web: No such file or
// directory".
error spawn_error(const spawn_request& what, const keeper::run_report& report);

// The same for what never reached the keeper.
error spawn_error(const spawn_request& what, const error& why);

} // namespace pm
