#pragma once

#include <caf/atom.hpp>

// The words that messages begin with; at most ten characters each.

namespace pm {

// clang-format off
#define PM_ATOMS(X) \
  X(run) X(define) X(start) X(stop) X(restart) X(signal) X(status) X(get) \
  X(list) X(resolve) X(wait) X(remove) X(cleanup) X(subscribe) X(leave) \
  X(events) X(save) X(shutdown) X(report) X(removed) X(event) X(dropped) \
  X(write) X(sync) X(written) X(mark) X(spawned) X(refused) X(exited) \
  X(group_gone) X(output) X(consumed) X(feed) X(fed) X(close_in) X(grace) \
  X(delay) X(expire) X(later) X(mend) X(history) X(reasons) X(recover) X(migrate) X(settled) \
  X(gate) X(reset) X(command) X(graph) X(diff) X(apply) X(scale) X(turn) \
  X(give_up) X(keep) X(probe) X(notify) X(watchdog) X(hook) X(schedule) X(limit)
// clang-format on

#define PM_X(name) using name##_atom = caf::atom_constant<caf::atom(#name)>;
PM_ATOMS(PM_X)
#undef PM_X

} // namespace pm
