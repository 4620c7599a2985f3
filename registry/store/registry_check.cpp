#include <pm/registry_check.hpp>

#include "registry/store/store_files.hpp"

namespace pm {

expected<size_t> check_registry(storage& on) {
  uint64_t generation = 0;
  auto found = files::read_all(on, generation);
  if (!found)
    return tl::make_unexpected(found.error());
  auto recovered = recover(*found);
  if (!recovered)
    return tl::make_unexpected(recovered.error());
  return recovered->contents.processes.size();
}

} // namespace pm
