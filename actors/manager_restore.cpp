#include "actors/manager.hpp"

#include <algorithm>

#include <pm/dependency_cycle.hpp>

#include "actors/loop_runner.hpp"
#include "actors/supervisor.hpp"

// How a manager begins: load all, then settle and re-arm, then begin.

namespace pm {

// Who is to begin: what was wanted, and on a fresh start what the
// configuration wants up. A gate can only be right when all are known.
void manager_state::learn(const manager_start& from,
                          std::set<std::string>& begins) {
  for (auto& [definition, state] : from.records) {
    link(definition);
    auto up_at_boot = from.fresh && definition.origin == origin::config
                      && definition.spec.autostart && !state.held_down;
    auto is_task = definition.spec.kind == kind::task; // its program begins it
    if (!is_task && (up_at_boot || (state.wanted && !is_alive(state.status))))
      begins.insert(definition.handle_id);
    if (is_alive(state.status))
      graph_.seed_run(definition.handle_id, state.run_id.str());
  }
  for (auto& definition : from.configured)
    if (!graph_.contains(definition.handle_id) && definition.spec.autostart)
      begins.insert(definition.handle_id);
  for (auto& definition : from.configured)
    link(definition);
}

void manager_state::restore(const manager_start& from) {
  found_at_start_ = from.report;
  accepted_ = from.accepted;
  starts_max_ = static_cast<size_t>(from.accepted.start_concurrency_max);
  requests_.assign(from.requests.begin(), from.requests.end());
  std::set<std::string> begins;
  learn(from, begins);
  std::map<run_id, const held_run*> held;
  for (auto& x : from.held)
    held.emplace(x.run_id, &x);
  for (auto& record : from.records) {
    auto found = held.find(record.state.run_id);
    auto how = std::make_shared<supervisor_start>();
    how->record = record;
    how->restored = true;
    if (found != held.end()) {
      how->held = *found->second;
      held.erase(found);
    }
    how->begin = begins.contains(record.definition.handle_id);
    if (!how->begin && !is_alive(record.state.status)) {
      entry known; // what has completed counts; who begins has not yet
      known.record = record;
      tell_graph(record.definition.handle_id, known);
    }
    unsettled_ += is_alive(record.state.status) ? 1 : 0;
    spawn(std::move(how));
  }
  for (auto& [run, x] : held)
    if (x->ended)
      on_->host->acknowledge(run); // its record is gone: nobody waits for it
  if (from.has_config)
    reconcile(from);
  request_context by;
  by.cause = cause::config;
  prepare(by);
  for (auto& id : begins) {
    start_needs(id, by);
    if (auto* x = find(id); x && x->record.state.status == status::pending
                            && !x->record.state.awaits_due)
      ask_turn(id);
  }
}

void manager_state::reconcile(const manager_start& from) {
  request_context by;
  by.cause = cause::config;
  prepare(by);
  if (from.is_half_applied) {
    auto whole = from.accepted;
    whole.processes = from.configured;
    // With nobody who waits for it.
    auto config = std::make_shared<const accepted_config>(std::move(whole));
    auto run = std::make_shared<apply_run>();
    run->report.diff = diff(*config);
    run->number = ++apply_number_;
    run->processes = config->processes;
    resumed_ = run;
    is_applying_ = true;
    by.wait = false;
    return apply_removed(std::move(run), std::move(config), by);
  }
  std::set<std::string> named;
  for (auto& definition : from.configured) {
    named.insert(definition.handle_id);
    if (auto* found = find(definition.handle_id)) {
      self_->send(found->supervisor, define_atom::value, definition);
      continue;
    }
    auto& added = add_new(definition, definition.spec.autostart);
    if (!definition.spec.autostart)
      self_->send(added.supervisor, define_atom::value, definition);
  }
  std::vector<std::string> gone;
  for (auto& [id, x] : entries_)
    if (x.record.definition.origin == origin::config && !named.contains(id))
      gone.push_back(id);
  if (!gone.empty())
    remove_all(gone, by, [](const outcomes&) {});
}

// A process that is new by its definition alone.
manager_state::entry&
manager_state::add_new(const process_definition& definition, bool begin) {
  process_record record;
  record.definition = definition;
  record.definition.created_at = on_->now();
  record.state.status = status::stopped;
  record.state.last_updated = on_->now();
  return add(std::move(record), begin);
}

manager_state::entry& manager_state::add(process_record record, bool begin,
                                         bool is_unborn) {
  auto how = std::make_shared<supervisor_start>();
  how->record = std::move(record);
  how->begin = begin;
  how->is_unborn = is_unborn;
  return spawn(std::move(how));
}

manager_state::entry&
manager_state::spawn(std::shared_ptr<supervisor_start> how) {
  auto id = how->record.definition.handle_id;
  link(how->record.definition);
  how->gate_open = may_start(id);
  entry added;
  added.record = how->record;
  auto is_held = how->held && !how->held->ended;
  if (how->restored && !is_held && is_alive(how->record.state.status))
    added.record.state.status = status::unknown; // until it has settled
  added.gate_open = how->gate_open;
  added.is_asked_for = how->begin;
  added.supervisor =
    spawn_by(on_->door, *self_, supervisor, on_, manager_actor{self_},
             std::shared_ptr<const supervisor_start>{how});
  self_->monitor(added.supervisor);
  supervisors_.insert(added.supervisor.address());
  return entries_.insert_or_assign(id, std::move(added)).first->second;
}

} // namespace pm
