#pragma once

#include <pm/registry_store.hpp>

namespace pm {

// Reads the registry in `on` as `registry_store::open` would, and touches
// nothing; a node may be writing it meanwhile. Gives how many processes it
// has. Errors: format_refused (a newer or a foreign program's), storage_failed
// (it cannot be read).
expected<size_t> check_registry(storage& on);

} // namespace pm
