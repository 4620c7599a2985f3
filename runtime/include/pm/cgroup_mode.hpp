#pragma once

#include <pm/fields.hpp>

namespace pm {

// Whether each run has a cgroup of its own.
//   if_cheap  where it is permitted and costs no milliseconds a start
//   on        always; a node that cannot does not start
//   off       never
// clang-format off
#define PM_CGROUP_MODES(X) X(if_cheap) X(on) X(off)
// clang-format on
PM_ENUM(cgroup_mode, PM_CGROUP_MODES)

} // namespace pm
