#pragma once

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include <pm/json.hpp>
#include <pm/migration.hpp>

// The one entry of the fuzzer and of the seeded random test.

namespace pm::test {

// A world in which every even pid below 100,000 has lived since 2001.
inline migration_world old_world() {
  migration_world x;
  x.now = *parse_timestamp("2026-11-23T12:00:00Z");
  x.uid = 1000;
  x.boot_id = "0b0e";
  x.find = [](int pid) -> std::optional<live_process> {
    if (pid % 2 != 0 || pid >= 100'000)
      return std::nullopt;
    return live_process{*parse_timestamp("2001-01-01T00:00:00Z"), 7, 1000};
  };
  return x;
}

// Plans the take-over of `text` and checks what every plan promises: a reason
// for each refusal, records that can be kept and read back, no pid twice.
// Gives the number of entries that have a record.
inline size_t plan_any(std::string_view text) {
  auto require = [](bool holds) {
    if (!holds)
      std::abort();
  };
  auto plan = plan_migration(text, "fuzz.json", old_world());
  if (!plan) {
    require(plan.error().code == ec::format_refused
            && !plan.error().text.empty() && plan.error().text.size() < 4096);
    return 0;
  }
  size_t count = 0;
  std::set<int> pids;
  std::set<std::string> names;
  for (auto& x : plan->entries) {
    require(!x.text.empty() && x.text.size() < 4096);
    require(x.record.has_value() == (x.outcome != migration_outcome::skipped));
    if (!x.record)
      continue;
    ++count;
    auto& [definition, state] = *x.record;
    require(definition.handle_id == x.name && check_handle_id(x.name)
            && names.insert(x.name).second);
    auto adopted = x.outcome == migration_outcome::adopted;
    require((state.status == status::running) == adopted);
    require((state.identity.pid != 0) == adopted && state.wanted == adopted
            && bool{state.run_id} == adopted);
    require(!adopted || pids.insert(state.identity.pid).second);
    auto again = from_json<process_record>(to_json(*x.record));
    require(again && *again == *x.record);
  }
  return count;
}

} // namespace pm::test
