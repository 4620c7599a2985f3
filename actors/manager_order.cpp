#include "actors/manager.hpp"

#include <algorithm>

#include <caf/send.hpp>

#include <pm/dependency_cycle.hpp>

#include "actors/restart_policy.hpp"

// In which order processes start: what each one waits for, and how many may
// be on their way up at once. The manager opens and closes the gates, the
// supervisors wait at them.

namespace pm {

namespace {

// A start that takes longer makes room for the next one.
constexpr milliseconds turn_max{30'000};

// It has ended by itself, with success: nobody has asked for that.
bool has_completed(const process_record& x) {
  auto& state = x.state;
  auto is_over = state.status == status::stopped
                 || (state.status == status::pending && state.awaits_due);
  return is_over && state.exit && is_success(x.definition.spec, *state.exit)
         && state.asked == state.run_asked;
}

dependency_facts facts_of(const process_record& x, const process_view& view) {
  dependency_facts facts;
  facts.completed = has_completed(x);
  facts.started = view.status == status::running || facts.completed;
  facts.ready =
    (view.status == status::running && view.ready) || facts.completed;
  facts.healthy =
    view.status == status::running && view.health == health::healthy;
  facts.run = view.run_id;
  return facts;
}

// What a process says while it is pending between its runs.
std::string schedule_text(const process_state& state) {
  auto text = state.due_at ? "next run at " + format_timestamp(*state.due_at)
                           : std::string{"waits for its schedule"};
  if (state.exit)
    text += fmt::format("; the last one: {}", describe(*state.exit));
  if (!state.status_text.empty())
    text += fmt::format(" ({})", state.status_text);
  return text;
}

} // namespace

bool is_down_for_good(const process_state& state) {
  return !state.wanted
         && (state.status == status::stopped || state.status == status::failed);
}

// -- what holds ---------------------------------------------------------------

// Takes the dependencies of a definition in.
void manager_state::link(const process_definition& what) {
  for (auto& [name, need] : what.spec.depends_on)
    for (auto& id : graph_.members(name))
      if (auto* x = find(id); x != nullptr && !x->is_followed)
        tell_graph(id, *x);
  turn_gates(
    graph_.set(what.handle_id, replica_base(what), what.spec.depends_on));
}

void manager_state::unlink(const std::string& id) {
  turn_gates(graph_.erase(id));
  end_turn(id);
  queued_.erase(id);
}

void manager_state::tell_graph(const std::string& id, entry& x) {
  if (x.record.state.status == status::unknown)
    return; // that is being found out
  x.is_followed = true;
  turn_gates(graph_.update(id, facts_of(x.record, make_view(*on_, x.record))));
}

// After each change of a process.
void manager_state::follow(const std::string& id, entry& x) {
  x.is_asked_for = false;
  auto& state = x.record.state;
  auto dependents = graph_.dependents(id);
  x.is_followed = !dependents.empty();
  if (x.is_followed)
    tell_graph(id, x);
  if (is_down_for_good(state))
    for (auto& other : dependents)
      tell_waiters(other);
  if (starts_max_ == 0)
    return;
  if (state.status == status::pending && !state.awaits_due)
    ask_turn(id);
  else if (!turns_.contains(id))
    return;
  else if (state.status == status::starting)
    self_->delayed_send(self_, turn_max, turn_atom::value, id,
                        state.run_id.str());
  else if (state.status != status::running || make_view(*on_, x.record).ready)
    end_turn(id);
}

void manager_state::turn_gates(const dependency_effects& effects) {
  for (auto* ids : {&effects.unmet, &effects.met})
    for (auto& id : *ids)
      if (auto* x = find(id))
        set_gate(id, *x);
  for (auto& id : effects.renewed) {
    auto* x = find(id);
    if (x == nullptr || going_down_
        || x->record.state.status != status::running)
      continue;
    request_context by;
    by.cause = cause::dependency;
    by.wait = false;
    prepare(by);
    caf::anon_send(x->supervisor, restart_atom::value, false, by);
  }
}

// -- the gates ----------------------------------------------------------------

bool manager_state::may_start(const std::string& id) const {
  return graph_.is_met(id) && (starts_max_ == 0 || turns_.contains(id));
}

void manager_state::set_gate(const std::string& id, entry& x) {
  if (starts_max_ > 0 && x.record.state.status == status::pending) {
    if (graph_.is_met(id))
      ask_turn(id);
    else
      end_turn(id);
  }
  auto open = may_start(id);
  if (std::exchange(x.gate_open, open) != open)
    self_->send(x.supervisor, gate_atom::value, open);
}

void manager_state::ask_turn(const std::string& id) {
  if (starts_max_ == 0 || !graph_.is_met(id) || turns_.contains(id)
      || !queued_.insert(id).second)
    return;
  queue_.push_back(id);
  give_turns();
}

void manager_state::give_turns() {
  while (turns_.size() < starts_max_ && !queue_.empty() && !going_down_) {
    auto id = std::move(queue_.front());
    queue_.pop_front();
    auto is_queued = queued_.erase(id) > 0;
    auto* x = find(id);
    if (!is_queued || x == nullptr || x->record.state.status != status::pending
        || x->record.state.awaits_due || !graph_.is_met(id))
      continue;
    turns_.insert(id);
    set_gate(id, *x);
  }
}

void manager_state::end_turn(const std::string& id) {
  if (turns_.erase(id) == 0)
    return;
  if (auto* x = find(id))
    set_gate(id, *x);
  give_turns();
}

void manager_state::turn_over(const std::string& id, const std::string& run) {
  if (auto* x = find(id); x && x->record.state.run_id.str() == run)
    end_turn(id);
}

void manager_state::limit_starts(int count_max) {
  starts_max_ = static_cast<size_t>(std::max(count_max, 0));
  if (starts_max_ == 0) {
    turns_.clear();
    queue_.clear();
    queued_.clear();
  }
  for (auto& [id, x] : entries_)
    set_gate(id, x);
  give_turns();
}

// -- starting what is needed --------------------------------------------------

manager_state::outcome manager_state::begin(const std::string& id,
                                            request_context by) {
  auto* found = find(id);
  found->is_asked_for = true;
  start_needs(id, by);
  auto supervisor = found->supervisor;
  auto answer = self_->delegate(supervisor, start_atom::value, std::move(by));
  tell_waiters(id);
  return answer;
}

// Starts what a process waits for, and what that waits for, where it is down.
// What a person has stopped stays down.
void manager_state::start_needs(const std::string& id,
                                const request_context& by) {
  request_context because;
  because.cause = cause::dependency;
  because.correlation_id = by.correlation_id;
  because.uid = by.uid;
  because.pid = by.pid;
  because.program = by.program;
  because.wait = false;
  std::vector<std::string> open{id};
  while (!open.empty()) {
    auto missing = graph_.unmet(open.back());
    open.pop_back();
    for (auto& need : missing) {
      auto* x = find(need.process);
      if (x == nullptr || x->is_asked_for || x->record.state.held_down
          || x->record.state.wanted || is_alive(x->record.state.status)
          || x->record.definition.spec.command.empty())
        continue;
      x->is_asked_for = true;
      caf::anon_send(x->supervisor, start_atom::value, because);
      open.push_back(need.process);
    }
  }
}

// Those who wait for the start of `id`, or of what waits for it in turn, are
// told if nothing is on its way that would let it begin.
void manager_state::tell_waiters(const std::string& id) {
  std::vector<std::string> open{id};
  std::set<std::string> seen{id};
  while (!open.empty()) {
    auto here = std::move(open.back());
    open.pop_back();
    auto* x = find(here);
    if (x == nullptr
        || (!x->is_asked_for && x->record.state.status != status::pending)
        || x->record.state.awaits_due)
      continue;
    auto need = hopeless_need(here);
    if (need.empty() && here == id)
      return;
    if (need.empty())
      need = waiting_text(here).substr(std::string_view{"waits for "}.size());
    self_->send(x->supervisor, gate_atom::value,
                error{ec::not_running,
                      fmt::format("start '{}': it waits for {}; it starts "
                                  "when that is there",
                                  here, need)});
    for (auto& other : graph_.dependents(here))
      if (!graph_.is_met(other) && seen.insert(other).second)
        open.push_back(other);
  }
}

// -- words --------------------------------------------------------------------

// "db (running, not ready)".
std::string manager_state::need_text(const unmet_need& need) const {
  auto found = entries_.find(need.process);
  if (found == entries_.end())
    return fmt::format("{} (no such process)", need.name);
  auto now_is = found->second.record.state.status;
  std::string text{to_string(now_is)};
  if (now_is == status::running
      && need.condition == dependency_condition::ready)
    text += ", not ready";
  else if (now_is == status::running
           && need.condition == dependency_condition::healthy)
    text += ", not healthy";
  return fmt::format("{} ({})", need.process, text);
}

// What is down and does not come up by itself; empty if there is hope.
std::string manager_state::hopeless_need(const std::string& id) const {
  for (auto& need : graph_.unmet(id)) {
    auto found = entries_.find(need.process);
    if (found == entries_.end()
        || (!found->second.is_asked_for
            && is_down_for_good(found->second.record.state)))
      return need_text(need);
  }
  return {};
}

std::string manager_state::waiting_text(const std::string& id) const {
  auto& state = entries_.at(id).record.state;
  if (state.awaits_due)
    return schedule_text(state);
  auto missing = graph_.unmet(id, 1);
  if (!missing.empty())
    return "waits for " + need_text(missing.front());
  return starts_max_ > 0 ? fmt::format(
           "waits for its turn ({} may start at once)", starts_max_)
                         : std::string{};
}

// The record as it is shown; what a process waits for changes while it does.
process_view manager_state::view_of(const entry& x) const {
  auto view = make_view(*on_, x.record);
  if (view.status == status::pending)
    view.status_text = waiting_text(view.handle_id);
  return view;
}

std::vector<graph_node> manager_state::graph() const {
  std::vector<graph_node> nodes;
  for (auto& [id, x] : entries_) {
    auto view = view_of(x);
    graph_node node;
    node.handle_id = id;
    node.replica_of = replica_base(x.record.definition);
    node.status = view.status;
    node.ready = view.ready;
    node.health = view.health;
    node.status_text = view.status_text;
    std::set<std::string> missing;
    for (auto& need : graph_.unmet(id))
      missing.insert(need.name);
    for (auto& [name, need] : graph_.needs(id))
      node.needs.push_back({name, need.condition, need.restart, need.stop,
                            !missing.contains(name)});
    nodes.push_back(std::move(node));
  }
  return nodes;
}

// -- checks -------------------------------------------------------------------

// A new definition may only wait for who is there, and not for itself.
expected<void>
manager_state::check_needs(const process_definition& what) const {
  auto& needs = what.spec.depends_on;
  if (needs.empty())
    return {};
  std::vector<process_definition> all{what};
  for (auto& [id, x] : entries_)
    if (id != what.handle_id)
      all.push_back(x.record.definition);
  auto own = replica_base(what);
  for (auto& [name, need] : needs)
    if (graph_.members(name).empty() && name != what.handle_id && name != own)
      return fail(ec::invalid_argument,
                  "define '{}': it depends on '{}', and no process has that "
                  "name; define that one first",
                  what.handle_id, name);
  if (auto cycle = find_cycle(needs_of(all)); !cycle.empty())
    return fail(ec::invalid_argument, "define '{}': a cycle: {}",
                what.handle_id, cycle_text(cycle));
  return {};
}

// Those that are up and have asked to be stopped with it.
std::vector<std::string>
manager_state::stopped_with(const std::string& id) const {
  auto ids = graph_.stopped_with(id);
  std::erase_if(ids, [&](const std::string& other) {
    auto found = entries_.find(other);
    if (found == entries_.end())
      return true;
    auto& state = found->second.record.state;
    return !state.wanted && !is_alive(state.status);
  });
  return ids;
}

} // namespace pm
