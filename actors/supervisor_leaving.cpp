#include "actors/supervisor.hpp"

// How a supervisor goes: its process is forgotten, while requests that the
// manager sent before it knew of that are still on their way.

namespace pm {

void supervisor_state::forget() {
  registry_change change;
  change.handle_id = id();
  change.removal = true;
  take_end(change);
  write(std::move(change), [](const error*) {});
  self_->send(manager_, removed_atom::value, id());
  leaving_ = true;
  reject_all(
    std::exchange(start_waiters_, {}),
    {ec::cancelled, fmt::format("start '{}': it was removed meanwhile", id())});
  after_sync([](const caf::error*) {}, false);
}

supervisor_state::outcome supervisor_state::remove() {
  auto promise = self_->make_response_promise<change_outcome>();
  if (is_alive(record_.state.status)) {
    promise.deliver(
      to_caf({ec::already_running,
              fmt::format("remove '{}': it is {}; stop it first", id(),
                          to_string(record_.state.status))}));
    return promise;
  }
  drop();
  answer(promise, true);
  return promise;
}

void supervisor_state::drop() {
  if (is_alive(record_.state.status) || leaving_)
    return;
  ++timer_; // a restart that was due is not any more
  forget();
}

// The node ends, and the process is left to the next one.
void supervisor_state::leave() {
  error why{ec::shutting_down,
            fmt::format("'{}' is {}: the node has ended before this was done",
                        id(), to_string(record_.state.status))};
  reject_all(std::exchange(start_waiters_, {}), why);
  reject_all(std::exchange(stop_waiters_, {}), why);
  for (auto& feeder : std::exchange(feeders_, {}))
    feeder.deliver(to_caf(why));
  if (auto run = std::exchange(run_, nullptr))
    run->promise.deliver(to_caf(why));
  self_->quit();
}

// By the time the manager has this it knows that this one is gone.
template <class... Ts>
supervisor_state::outcome supervisor_state::give_back(const Ts&... message) {
  auto promise = self_->make_response_promise<change_outcome>();
  promise.delegate(manager_, message...);
  return promise;
}

// Whoever defines and starts what is being removed gets a new one.
supervisor_state::outcome
supervisor_state::start_elsewhere(request_context by) {
  by.request_id.clear(); // it has been noted
  if (auto definition = std::exchange(next_definition_, nullptr))
    return give_back(define_atom::value, *definition, true, by);
  return give_back(start_atom::value, id(), by);
}

supervisor_state::outcome
supervisor_state::define_elsewhere(const process_definition& what,
                                   request_context by) {
  by.request_id.clear();
  return give_back(define_atom::value, what, false, by);
}

supervisor_state::outcome
supervisor_state::restart_elsewhere(bool force, request_context by) {
  by.request_id.clear();
  return give_back(restart_atom::value, id(), force, by);
}

supervisor_state::outcome supervisor_state::nobody_here(std::string_view verb) {
  auto promise = self_->make_response_promise<change_outcome>();
  promise.deliver(
    to_caf({ec::no_such_process,
            fmt::format("{} '{}': it was removed meanwhile", verb, id())}));
  return promise;
}

} // namespace pm
