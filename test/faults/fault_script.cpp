#include "test/faults/fault_script.hpp"

#include <algorithm>
#include <cstdlib>
#include <random>

#include "test/support/faulty_storage.hpp"

namespace pm::test {

namespace {

constexpr int process_count = 12;

// Makes the script, one group after the other.
class script_writer {
public:
  std::vector<change_group> write() {
    std::vector<change_group> groups;
    while (made_ < script_changes) {
      auto& group = groups.emplace_back(next_group(groups.size()));
      if (group.size() > script_changes - made_)
        group.resize(script_changes - made_);
      made_ += group.size();
    }
    return groups;
  }

private:
  change_group next_group(size_t number) {
    auto id = "p" + std::to_string(chance_() % process_count);
    auto other = "p" + std::to_string(chance_() % process_count);
    switch (number % 10) {
    case 0:
    case 6:
      return {definition(id), state(id, 20)};
    case 3:
      return {definition(id), state(id, 0), definition(other), state(other, 0)};
    case 4:
      return {
        node_mark{number % 20 == 4, "boot-" + std::to_string(number), "alpha"}};
    case 5:
      return {removal{id}, definition(id), state(other, 700), state(id, 0),
              node_mark{false, "boot", std::to_string(number)}};
    case 7:
      return {state(id, 600), state(other, 5)};
    case 8:
      return {removal{other}};
    case 9:
      return {state(id, 3'000)}; // more than a sector
    case 1:
      return {request_mark{"request-" + std::to_string(number), id},
              state(id, 40)};
    default:
      return {run_of(id), state(id, 40)};
    }
  }

  process_definition definition(const std::string& id) {
    process_definition x;
    x.handle_id = id;
    x.created_at = time();
    x.spec.command = {"serve", "--number", std::to_string(++values_)};
    return x;
  }

  state_change state(const std::string& id, size_t text_size) {
    state_change x;
    x.handle_id = id;
    x.state.status = status::running;
    x.state.restart_count = ++values_;
    x.state.last_updated = time();
    x.state.status_text =
      std::string(text_size, static_cast<char>('a' + values_ % 26));
    return x;
  }

  ended_run run_of(const std::string& id) {
    ended_run x;
    x.handle_id = id;
    x.pid = ++values_;
    x.run_id =
      run_id::parse(fmt::format("018bcfe5-6be8-7000-8000-{:012x}", values_))
        .value();
    x.ended_at = time();
    x.exit = {exit_reason::exited, values_ % 256, {}};
    return x;
  }

  timestamp time() const {
    return timestamp{milliseconds{1'700'000'000'000 + values_}};
  }

  std::mt19937_64 chance_{20261122};
  size_t made_ = 0;
  int values_ = 0;
};

} // namespace

const std::vector<change_group>& fault_script() {
  static const auto script = script_writer{}.write();
  return script;
}

registry_view contents_of(const registry_store& store) {
  return {store.records(), store.last_mark(), store.requests(), {}};
}

registry_view view_of(const registry_store& store) {
  auto view = contents_of(store);
  for (int i = 0; i < process_count; ++i) {
    auto runs = store.read_history("p" + std::to_string(i), SIZE_MAX)();
    if (runs)
      view.history.insert(view.history.end(), runs->begin(), runs->end());
  }
  std::sort(view.history.begin(), view.history.end(),
            [](auto& a, auto& b) { return a.run_id < b.run_id; });
  return view;
}

registry_view outcome_of(const std::function<bool(size_t group)>& counts) {
  open_report report;
  auto store =
    registry_store::open(std::make_shared<faulty_storage>(), report).value();
  for (size_t i = 0; i < fault_script().size(); ++i)
    if (counts(i))
      (void)store.write(fault_script()[i]).value();
  return view_of(store);
}

const std::vector<uint64_t>& group_ends() {
  static const auto ends = [] {
    std::vector<uint64_t> result;
    uint64_t last = 0;
    for (auto& group : fault_script())
      result.push_back(last += group.size());
    return result;
  }();
  return ends;
}

const std::vector<registry_view>& group_outcomes() {
  static const auto outcomes = [] {
    std::vector<registry_view> result;
    open_report report;
    auto store =
      registry_store::open(std::make_shared<faulty_storage>(), report).value();
    for (auto& group : fault_script()) {
      (void)store.write(group).value();
      result.push_back(view_of(store));
    }
    return result;
  }();
  return outcomes;
}

std::optional<int> group_ending_at(uint64_t sequence) {
  if (sequence == 0)
    return -1;
  auto& ends = group_ends();
  auto found = std::lower_bound(ends.begin(), ends.end(), sequence);
  if (found == ends.end() || *found != sequence)
    return std::nullopt;
  return static_cast<int>(found - ends.begin());
}

// -- the player
// -----------------------------------------------------------------

void script_player::begin_sync() {
  syncing_ = store_.sequence();
  sync_ = std::async(how_, store_.sync_job());
}

expected<void> script_player::end_sync() {
  if (!sync_.valid())
    return {};
  auto outcome = sync_.get();
  store_.sync_done(outcome);
  if (outcome)
    acknowledged_ = syncing_;
  return outcome;
}

expected<void> script_player::sync() {
  begin_sync();
  return end_sync();
}

void script_player::begin_compaction() {
  compaction_ = std::async(how_, store_.compaction_job());
}

expected<void> script_player::end_compaction() {
  if (!compaction_.valid())
    return {};
  auto outcome = compaction_.get();
  store_.compaction_done(outcome);
  return outcome;
}

expected<void> script_player::compact() {
  begin_compaction();
  return end_compaction();
}

// -- the run
// --------------------------------------------------------------------

uint64_t run_seed() {
  auto* given = std::getenv("PM_SEED");
  return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

size_t run_rounds(size_t usual) {
  auto* given = std::getenv("PM_ROUNDS");
  return given ? std::strtoull(given, nullptr, 10) : usual;
}

} // namespace pm::test
