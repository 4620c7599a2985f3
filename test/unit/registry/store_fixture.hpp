#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <pm/registry_store.hpp>

#include "test/support/faulty_storage.hpp"

namespace pm::test {

inline const timestamp noon{
  std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}
  + std::chrono::hours{12}};

inline process_definition definition_of(const std::string& id) {
  process_definition x;
  x.handle_id = id;
  x.created_at = noon;
  x.spec.command = {"sleep", "60"};
  return x;
}

inline state_change state_of(const std::string& id, int restarts) {
  state_change x;
  x.handle_id = id;
  x.state.restart_count = restarts;
  x.state.last_updated = noon;
  return x;
}

template <class... Ts>
expected<uint64_t> put(registry_store& store, Ts... xs) {
  std::vector<change> changes{change{xs}...};
  return store.write(changes);
}

inline expected<void> sync(registry_store& store) {
  auto outcome = store.sync_job()();
  store.sync_done(outcome);
  return outcome;
}

inline expected<void> compact(registry_store& store) {
  auto outcome = store.compaction_job()();
  store.compaction_done(outcome);
  return outcome;
}

// A registry on a disk in memory.
struct store_fixture {
  std::shared_ptr<faulty_storage> disk = std::make_shared<faulty_storage>();
  open_report report; // of the last open

  registry_store open(const std::shared_ptr<faulty_storage>& on,
                      const store_limits& limits = {}) {
    auto store = registry_store::open(on, report, limits);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    return std::move(*store);
  }

  registry_store open() { return open(disk); }

  bool reported(std::string_view part) const {
    for (auto& line : report.lines)
      if (line.find(part) != std::string::npos)
        return true;
    return false;
  }
};

} // namespace pm::test
