#include "actors/manager.hpp"

#include <algorithm>

#include "actors/supervisor.hpp"

// What the manager knows and tells: views, events.

namespace pm {

namespace {

// How many events are kept for those who ask later.
constexpr size_t events_max = 1000;

bool is_pattern(const std::string& name) {
  return name.find_first_of("*?[") != std::string::npos;
}

bool holds(wait_target target, const process_view& x) {
  auto now = x.status;
  switch (target) {
  case wait_target::started:
    return now == status::running;
  case wait_target::ready:
    return x.ready;
  case wait_target::ended:
    return now == status::stopped || now == status::failed
           || (now == status::pending && x.next_run_at && x.reason);
  default: // the others are the statuses, in the same order
    return static_cast<uint8_t>(target) == static_cast<uint8_t>(now);
  }
}

bool passes(const list_filter& filter, const process_record& record) {
  auto& definition = record.definition;
  if (filter.kind && definition.spec.kind != *filter.kind)
    return false;
  if (filter.status && record.state.status != *filter.status)
    return false;
  for (auto& [name, value] : filter.labels) {
    auto found = definition.spec.labels.find(name);
    if (found == definition.spec.labels.end() || found->second != value)
      return false;
  }
  return filter.names.empty()
         || std::any_of(filter.names.begin(), filter.names.end(),
                        [&](const std::string& name) {
                          return is_named_by(name, definition);
                        });
}

} // namespace

bool is_named_by(const std::string& name, const process_definition& process) {
  auto& id = process.handle_id;
  if (id == name || (is_pattern(name) && matches_glob(name, id)))
    return true;
  auto replica = process.spec.replica;
  return replica > 0 && id == fmt::format("{}.{}", name, replica);
}

void manager_state::init(pointer self, std::shared_ptr<const supervision> on) {
  self_ = self;
  on_ = std::move(on);
  self_->set_down_handler([this](caf::down_msg& x) { gone(x.source); });
  self_->set_exit_handler([this](caf::exit_msg& x) { dismiss(x.reason); });
}

// -- looking ------------------------------------------------------------------

manager_state::entry* manager_state::find(const std::string& id) {
  auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

caf::error manager_state::nobody(const std::string& id) const {
  return to_caf(
    {ec::no_such_process, fmt::format("no process is named '{}'", id)});
}

caf::error manager_state::refuse_start(const std::string& what) const {
  return to_caf(
    {ec::shutting_down, fmt::format("{}: the node is shutting down", what)});
}

void manager_state::prepare(request_context& by) const {
  if (by.correlation_id.empty())
    by.correlation_id = make_correlation_id();
}

caf::result<process_view> manager_state::status_of(const std::string& id) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  return view_of(*found);
}

caf::result<process_record> manager_state::get(const std::string& id) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  return found->record;
}

caf::result<std::vector<ended_run>>
manager_state::history(const std::string& id, uint64_t count_max) {
  if (find(id) != nullptr)
    return self_->delegate(on_->registry, history_atom::value, id, count_max);
  auto promise = self_->make_response_promise<std::vector<ended_run>>();
  self_
    ->request(on_->registry, caf::infinite, history_atom::value, id, count_max)
    .then(
      [this, promise, id](std::vector<ended_run>& runs) mutable {
        if (runs.empty())
          promise.deliver(nobody(id));
        else
          promise.deliver(std::move(runs));
      },
      [promise](const caf::error& why) mutable { promise.deliver(why); });
  return promise;
}

caf::result<process_reasons> manager_state::reasons(const std::string& id,
                                                    uint64_t count_max) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  auto& state = found->record.state;
  process_reasons known{view_of(*found), state.asked, state.run_asked, {}};
  auto promise = self_->make_response_promise<process_reasons>();
  self_
    ->request(on_->registry, caf::infinite, history_atom::value, id, count_max)
    .then(
      [promise, known](std::vector<ended_run>& runs) mutable {
        known.history = std::move(runs);
        promise.deliver(std::move(known));
      },
      [promise](const caf::error& why) mutable { promise.deliver(why); });
  return promise;
}

caf::result<std::vector<process_view>>
manager_state::list(const list_filter& filter) {
  for (auto& name : filter.names)
    if (!is_pattern(name) && !is_known(name))
      return nobody(name);
  std::vector<process_view> views;
  for (auto& [id, x] : entries_)
    if (passes(filter, x.record))
      views.push_back(view_of(x));
  return views;
}

bool manager_state::is_known(const std::string& name) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](auto& x) {
    return is_named_by(name, x.second.record.definition);
  });
}

std::vector<std::string>
manager_state::resolve(const std::vector<std::string>& names) const {
  std::vector<std::string> ids;
  for (auto& name : names) {
    auto before = ids.size();
    for (auto& [id, x] : entries_)
      if (is_named_by(name, x.record.definition))
        ids.push_back(id);
    if (ids.size() == before && !is_pattern(name))
      ids.push_back(name);
  }
  std::vector<std::string> unique; // in the order of the names
  for (auto& id : ids)
    if (std::find(unique.begin(), unique.end(), id) == unique.end())
      unique.push_back(id);
  return unique;
}

// What was asked before counts, also where nobody has begun with that yet.
caf::result<process_view> manager_state::wait(const std::string& id,
                                              wait_target target) {
  if (find(id) == nullptr)
    return nobody(id);
  auto promise = self_->make_response_promise<process_view>();
  begin_wait({id, target, promise});
  return promise;
}

void manager_state::begin_wait(waiter who) {
  auto* found = find(who.id);
  if (found == nullptr) {
    who.promise.deliver(nobody(who.id));
    return;
  }
  auto look = [this, who, asked = found->supervisor]() mutable {
    auto* now = find(who.id);
    if (now == nullptr || now->supervisor != asked)
      return begin_wait(std::move(who)); // it was removed, or is a new one
    if (auto view = view_of(*now); holds(who.target, view))
      who.promise.deliver(std::move(view));
    else
      waiters_.push_back(std::move(who));
  };
  self_->request(found->supervisor, caf::infinite, sync_atom::value)
    .then([look](bool) mutable { look(); },
          [look](const caf::error&) mutable { look(); });
}

// -- events -------------------------------------------------------------------

std::vector<process_event> manager_state::subscribe(event_listener to,
                                                    uint64_t since) {
  self_->monitor(to);
  listeners_.push_back(std::move(to));
  return events_after(since);
}

void manager_state::leave(const caf::actor_addr& who) {
  std::erase_if(listeners_,
                [&](const event_listener& x) { return x.address() == who; });
}

// -- the end ------------------------------------------------------------------

// Ends after all supervisors: nobody uses the host any longer then. They are
// told behind the registry's answers, so that what is durable by now is still
// acknowledged to the keeper.
void manager_state::dismiss(const caf::error& reason) {
  if (dismissed_)
    return;
  dismissed_ = reason;
  auto leave = [this] {
    for (auto& address : supervisors_) // also of those that are forgotten
      if (auto x = caf::actor_cast<supervisor_actor>(address))
        self_->send(x, leave_atom::value);
    if (supervisors_.empty())
      end();
  };
  self_->request(on_->registry, caf::infinite, sync_atom::value, uint64_t{0})
    .then([leave](uint64_t) { leave(); },
          [leave](const caf::error&) { leave(); });
}

void manager_state::gone(const caf::actor_addr& who) {
  leave(who);
  supervisors_.erase(who);
  if (dismissed_ && supervisors_.empty())
    end();
}

// A promise that is dropped would never be answered.
void manager_state::end() {
  auto why = to_caf({ec::shutting_down, "the node has ended"});
  for (auto& x : std::exchange(waiters_, {}))
    x.promise.deliver(why);
  for (auto& x : std::exchange(report_promises_, {}))
    x.deliver(why);
  for (auto& x : std::exchange(shutdown_promises_, {}))
    x.deliver(why);
  for (auto& [number, x] : std::exchange(rolling_, {}))
    x.promise.deliver(why);
  self_->quit(*dismissed_);
}

std::vector<process_event> manager_state::events_after(uint64_t seq) const {
  std::vector<process_event> result;
  for (auto& event : events_)
    if (event.seq > seq)
      result.push_back(event);
  return result;
}

void manager_state::settled(recovered_run what) {
  found_at_start_.runs.push_back(std::move(what));
  if (unsettled_ == 0 || --unsettled_ > 0)
    return;
  for (auto& promise : std::exchange(report_promises_, {}))
    promise.deliver(found_at_start_);
}

// Once the fate of all runs is known.
caf::result<recovery_report> manager_state::found_at_start() {
  if (unsettled_ == 0)
    return found_at_start_;
  auto promise = self_->make_response_promise<recovery_report>();
  report_promises_.push_back(promise);
  return promise;
}

void manager_state::report(process_state state, process_event event) {
  auto* found = find(event.handle_id);
  if (found == nullptr)
    return;
  auto before = std::exchange(found->record.state, std::move(state));
  follow(event.handle_id, *found);
  for (auto x = rolling_.begin(); x != rolling_.end();) {
    auto number = (x++)->first; // it may end by that
    rolled(number, view_of(*found));
  }
  auto view = view_of(*found);
  std::erase_if(waiters_, [&](waiter& x) {
    if (x.id != event.handle_id || !holds(x.target, view))
      return false;
    x.promise.deliver(view);
    return true;
  });
  auto& now_is = found->record.state;
  if (event.from == event.to && before.ready == now_is.ready
      && before.health == now_is.health)
    return; // an intent, not a change
  look_for_essential(*found);
  if (event.to == status::pending)
    event.text = waiting_text(event.handle_id);
  tell_listeners(std::move(event));
}

void manager_state::tell_listeners(process_event event) {
  event.seq = ++event_seq_;
  if (auto* x = find(event.handle_id)) {
    event.ready = is_ready(x->record);
    event.health = x->record.state.health;
  }
  for (auto& listener : listeners_)
    self_->send(listener, event_atom::value, event);
  events_.push_back(std::move(event));
  if (events_.size() > events_max)
    events_.pop_front();
}

// The node is of no use without it: it ends too, unless a person has stopped
// the process.
void manager_state::look_for_essential(const entry& x) {
  auto& state = x.record.state;
  auto is_over = state.status == status::failed
                 || (state.status == status::stopped && !state.held_down
                     && state.asked == state.run_asked && state.exit);
  if (!x.record.definition.spec.essential || !is_over || going_down_
      || !on_->essential_ended)
    return;
  on_->essential_ended(
    fmt::format("the essential process '{}' has ended for good: {}",
                x.record.definition.handle_id,
                state.exit ? describe(*state.exit) : state.status_text));
}

void manager_state::defined(process_definition what) {
  auto* found = find(what.handle_id);
  if (found == nullptr)
    return;
  link(what);
  found->record.definition = std::move(what);
  if (found->is_followed) // without its probe it may be ready now
    tell_graph(found->record.definition.handle_id, *found);
}

void manager_state::removed(const std::string& id) {
  if (on_->forgotten)
    on_->forgotten(id);
  entries_.erase(id);
  unlink(id);
  std::erase_if(waiters_, [&](waiter& x) {
    if (x.id != id)
      return false;
    x.promise.deliver(
      to_caf({ec::no_such_process, fmt::format("'{}' was removed", id)}));
    return true;
  });
}

} // namespace pm
