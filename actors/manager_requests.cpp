#include "actors/manager.hpp"

#include <algorithm>

#include <pm/json.hpp>

#include "actors/supervisor.hpp"

// Requests that change something; most are handed on to the supervisor, which
// answers the client itself.

namespace pm {

namespace {

// A start that comes again waits for the one that is under way.
bool is_beginning(const process_state& x) {
  return x.status == status::starting
         || (x.status == status::pending && x.wanted && !x.awaits_due);
}

} // namespace

// -- requests that come again -------------------------------------------------

// Notes the request. True if it was there before: it is not acted upon again.
bool manager_state::is_repeated(const std::string& id,
                                const request_context& by) {
  if (by.request_id.empty())
    return false;
  request_mark mark{by.request_id, id};
  if (std::find(requests_.begin(), requests_.end(), mark) != requests_.end())
    return true;
  remember(std::move(mark));
  return false;
}

void manager_state::remember(request_mark request) {
  requests_.push_back(std::move(request));
  if (requests_.size() > request_marks_max)
    requests_.pop_front();
}

void manager_state::not_acted_upon(const std::string& id,
                                   const std::string& request_id) {
  std::erase(requests_, request_mark{request_id, id});
}

// The answer to a request that was acted upon before.
change_outcome manager_state::as_it_is(const std::string& id) {
  change_outcome result;
  result.process.handle_id = id;
  if (auto* found = find(id))
    result.process = view_of(*found);
  return result;
}

// -- requests -----------------------------------------------------------------

caf::result<process_result>
manager_state::run(run_request what, output_listener to, request_context by) {
  if (going_down_)
    return refuse_start("run");
  if (what.handle_id.empty())
    what.handle_id = make_handle_id();
  if (auto ok = check_handle_id(what.handle_id); !ok)
    return to_caf(ok.error());
  auto is_right = check_spec(what.spec).and_then(
    [&] { return check_environment(what.environment); });
  if (!is_right)
    return to_caf(
      {is_right.error().code,
       fmt::format("run '{}': {}", what.handle_id, is_right.error().text)});
  if (find(what.handle_id) != nullptr)
    return to_caf(
      {ec::already_exists,
       fmt::format("run '{}': a process of this name exists", what.handle_id)});
  for (auto& x : requests_)
    if (!by.request_id.empty() && x.request_id == by.request_id)
      return to_caf({ec::already_exists,
                     fmt::format("run: request {} was acted upon already, as "
                                 "'{}'; its history tells how it ended",
                                 x.request_id, x.handle_id)});
  (void)is_repeated(what.handle_id, by);
  if (!what.spec.depends_on.empty())
    return to_caf({ec::invalid_argument,
                   fmt::format("run '{}': what is run once waits for nobody; "
                               "define it with 'start' to use depends_on",
                               what.handle_id)});
  prepare(by);
  what.spec.restart = restart_mode::never;
  process_record record;
  record.definition = {what.handle_id, origin::adhoc, on_->now(), what.spec};
  record.state.status = status::stopped;
  record.state.removable = true;
  auto& added = add(std::move(record));
  return self_->delegate(added.supervisor, run_atom::value, std::move(what),
                         std::move(to), std::move(by));
}

manager_state::outcome manager_state::define(process_definition what,
                                             bool start, request_context by) {
  if (going_down_ && start)
    return refuse_start("start");
  if (auto ok = check_handle_id(what.handle_id); !ok)
    return to_caf(ok.error());
  if (auto ok = check_spec(what.spec); !ok)
    return to_caf(
      {ok.error().code,
       fmt::format("define '{}': {}", what.handle_id, ok.error().text)});
  prepare(by);
  auto* found = find(what.handle_id);
  if (is_repeated(what.handle_id, by))
    return start && found != nullptr && is_beginning(found->record.state)
             ? begin(what.handle_id, std::move(by))
             : as_it_is(what.handle_id);
  what.created_at = on_->now();
  if (auto ok = check_needs(what); !ok) {
    not_acted_upon(what.handle_id, by.request_id);
    return to_caf(ok.error());
  }
  if (found != nullptr && is_alive(found->record.state.status))
    return to_caf(
      {ec::already_running,
       fmt::format(
         "define '{}': it is {}{}; stop it first", what.handle_id,
         to_string(found->record.state.status),
         found->record.definition.spec.kind == kind::task
           ? std::string{}
           : fmt::format(" (pid {})", found->record.state.identity.pid))});
  if (found == nullptr) {
    process_record record;
    record.definition = what;
    record.state.status = status::stopped;
    record.state.last_updated = on_->now();
    found = &add(std::move(record), false, start);
  } else {
    link(what);
  }
  auto supervisor = found->supervisor;
  if (!start)
    return self_->delegate(supervisor, define_atom::value, std::move(what),
                           std::move(by));
  // Messages to one actor keep their order: the definition is there first.
  auto id = what.handle_id;
  self_->send(supervisor, define_atom::value, std::move(what));
  return begin(id, std::move(by));
}

manager_state::outcome manager_state::start(const std::string& id,
                                            request_context by) {
  if (going_down_)
    return refuse_start("start");
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  auto& spec = found->record.definition.spec;
  if (spec.kind == kind::command && spec.command.empty())
    return to_caf({ec::invalid_argument,
                   fmt::format("start '{}': its record does not tell a "
                               "command (it was migrated); define it with "
                               "'pmctl start --name {} -- COMMAND'",
                               id, id)});
  prepare(by);
  if (is_repeated(id, by) && !is_beginning(found->record.state))
    return as_it_is(id);
  return begin(id, std::move(by));
}

manager_state::outcome manager_state::stop(const std::string& id, bool force,
                                           request_context by) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  prepare(by);
  if (is_repeated(id, by) && found->record.state.status != status::stopping)
    return as_it_is(id);
  if (auto others = stopped_with(id); !others.empty())
    return stop_with(id, std::move(others), force, std::move(by));
  return self_->delegate(found->supervisor, stop_atom::value, force,
                         std::move(by));
}

void manager_state::withdraw(const std::string& id,
                             const std::string& correlation_id) {
  if (auto* found = find(id))
    self_->send(found->supervisor, stop_atom::value, correlation_id);
}

manager_state::outcome manager_state::restart(const std::string& id, bool force,
                                              request_context by) {
  if (going_down_)
    return refuse_start("restart");
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  prepare(by);
  auto is_done = found->record.state.status != status::starting
                 && found->record.state.status != status::stopping;
  if (is_repeated(id, by) && is_done)
    return as_it_is(id);
  start_needs(id, by);
  auto answer = self_->delegate(found->supervisor, restart_atom::value, force,
                                std::move(by));
  tell_waiters(id);
  return answer;
}

manager_state::outcome manager_state::reset(const std::string& id,
                                            request_context by) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  prepare(by);
  if (is_repeated(id, by))
    return as_it_is(id);
  return self_->delegate(found->supervisor, reset_atom::value, std::move(by));
}

manager_state::outcome manager_state::signal(const std::string& id, int number,
                                             request_context by) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  prepare(by);
  if (is_repeated(id, by))
    return as_it_is(id);
  return self_->delegate(found->supervisor, signal_atom::value, number,
                         std::move(by));
}

manager_state::outcome manager_state::remove(const std::string& id, bool force,
                                             request_context by) {
  prepare(by);
  if (is_repeated(id, by))
    return as_it_is(id);
  auto* found = find(id);
  if (found == nullptr) {
    not_acted_upon(id, by.request_id);
    return nobody(id);
  }
  auto supervisor = found->supervisor;
  if (!force)
    return self_->delegate(supervisor, remove_atom::value, std::move(by));
  auto promise = self_->make_response_promise<change_outcome>();
  by.wait = true;
  self_->request(supervisor, caf::infinite, stop_atom::value, true, by)
    .then(
      [this, promise, id, by](const change_outcome& stopped) mutable {
        if (auto* now = find(id))
          promise.delegate(now->supervisor, remove_atom::value, std::move(by));
        else // by another request meanwhile
          promise.deliver(change_outcome{true, stopped.process});
      },
      [promise](const caf::error& why) mutable { promise.deliver(why); });
  return promise;
}

manager_state::outcome manager_state::migrate(process_record what,
                                              request_context by) {
  auto& id = what.definition.handle_id;
  if (auto ok = check_handle_id(id); !ok)
    return to_caf(ok.error());
  if (find(id) != nullptr)
    return to_caf(
      {ec::already_exists,
       fmt::format("migrate '{}': a process of this name exists", id)});
  if (auto pid = what.state.identity.pid; pid != 0)
    for (auto& [other, x] : entries_)
      if (x.record.state.identity == what.state.identity)
        return to_caf({ec::already_exists,
                       fmt::format("migrate '{}': its pid {} is '{}' already",
                                   id, pid, other)});
  prepare(by);
  what.definition.origin = origin::adhoc;
  what.state.asked =
    asker{by.cause, by.correlation_id, by.uid, by.pid, by.program, on_->now()};
  auto how = std::make_shared<supervisor_start>();
  how->record = what;
  how->restored = how->is_new = true;
  auto& added = spawn(std::move(how));
  // Answers once all that was written up to now is durable.
  return self_->delegate(added.supervisor, define_atom::value,
                         std::move(what.definition), std::move(by));
}

caf::result<uint64_t> manager_state::cleanup(request_context by) {
  prepare(by);
  auto promise = self_->make_response_promise<uint64_t>();
  struct tally {
    size_t pending = 0;
    uint64_t removed = 0;
  };
  auto count = std::make_shared<tally>();
  auto done = [promise, count](uint64_t removed) mutable {
    count->removed += removed;
    if (--count->pending == 0)
      promise.deliver(count->removed);
  };
  std::vector<supervisor_actor> dead;
  for (auto& [id, x] : entries_) {
    auto& state = x.record.state;
    if (!state.wanted && !is_alive(state.status)
        && state.status != status::backoff
        && x.record.definition.origin == origin::adhoc)
      dead.push_back(x.supervisor);
  }
  count->pending = dead.size() + 1;
  for (auto& supervisor : dead)
    self_->request(supervisor, caf::infinite, remove_atom::value, by)
      .then([done](const change_outcome&) mutable { done(1); },
            [done](const caf::error&) mutable { done(0); });
  done(0);
  return promise;
}

caf::result<bool> manager_state::feed(const std::string& id,
                                      std::string bytes) {
  auto* found = find(id);
  if (found == nullptr)
    return nobody(id);
  return self_->delegate(found->supervisor, feed_atom::value, std::move(bytes));
}

void manager_state::close_stdin(const std::string& id) {
  if (auto* found = find(id))
    self_->send(found->supervisor, close_in_atom::value);
}

void manager_state::consumed(const std::string& id, stream which,
                             uint64_t bytes) {
  if (auto* found = find(id))
    self_->send(found->supervisor, consumed_atom::value, which, bytes);
}

} // namespace pm
