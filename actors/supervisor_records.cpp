#include "actors/supervisor.hpp"

// What a supervisor tells the registry and the manager.

namespace pm {

void supervisor_state::persist() {
  registry_change change;
  change.handle_id = id();
  if (!is_stored_)
    change.definition = record_.definition;
  is_stored_ = true;
  change.state = record_.state;
  std::vector<registry_change> changes;
  changes.push_back(std::move(change));
  send_changes(std::move(changes));
}

void supervisor_state::send_changes(std::vector<registry_change> changes) {
  self_
    ->request(on_->registry, caf::infinite, write_atom::value,
              std::move(changes))
    .then([this](uint64_t) { write_done(); },
          [this](const caf::error& why) { write_refused(why); });
}

void supervisor_state::write_done() {
  if (spawn_pending_)
    spawn();
}

void supervisor_state::write_refused(const caf::error& why) {
  auto text = from_caf(why);
  is_stored_ = false; // written whole with the next change
  if (!spawn_pending_)
    return;
  spawn_pending_ = false;
  text.text = fmt::format("spawn '{}': its intent could not be recorded: {}",
                          id(), text.text);
  fail_spawn(std::move(text));
}

void supervisor_state::publish(status from) {
  auto& state = record_.state;
  process_event event;
  event.time = now();
  event.handle_id = id();
  event.run_id = state.run_id.str();
  event.correlation_id = state.correlation_id;
  event.from = from;
  event.to = state.status;
  event.cause = state.cause;
  if (state.identity.pid != 0)
    event.pid = state.identity.pid;
  if (!is_alive(state.status))
    event.exit = state.exit;
  event.text = state.status_text;
  self_->send(manager_, report_atom::value, state, std::move(event));
}

// The status is the same, what is wanted is not: shown and kept, no event.
void supervisor_state::keep_intent() {
  publish(record_.state.status);
  persist();
}

// Calls `then` when all that was written up to now is durable, or with the
// reason why it is not. With `soon` false it may take a moment longer.
void supervisor_state::after_sync(std::function<void(const caf::error*)> then,
                                  bool soon) {
  ++unsynced_;
  auto done = [this, then = std::move(then)](const caf::error* why) {
    then(why);
    if (--unsynced_ == 0 && leaving_)
      self_->quit();
  };
  auto well = [done](uint64_t) { done(nullptr); };
  auto badly = [done](const caf::error& why) { done(&why); };
  if (soon)
    self_->request(on_->registry, caf::infinite, sync_atom::value, uint64_t{0})
      .then(well, badly);
  else
    self_->request(on_->registry, caf::infinite, later_atom::value)
      .then(well, badly);
}

// Lets the keeper forget a run once its end is on disk for good; nobody waits
// for that. If it fails, the keeper remembers it, and the next node will hear
// of it again.
void supervisor_state::acknowledge(run_id run) {
  after_sync(
    [host = on_->host, run](const caf::error* why) {
      if (why == nullptr)
        host->acknowledge(run);
    },
    false);
}

void supervisor_state::finish_run() {
  if (run_) {
    auto promise = run_->promise;
    if (run_->why_not.code != ec::none)
      promise.deliver(to_caf(run_->why_not));
    else
      promise.deliver(std::move(run_->result));
    run_.reset();
  }
  forget();
}

void supervisor_state::forget() {
  registry_change change;
  change.handle_id = id();
  change.removal = true;
  std::vector<registry_change> changes;
  changes.push_back(std::move(change));
  send_changes(std::move(changes));
  self_->send(manager_, removed_atom::value, id());
  leaving_ = true;
  after_sync([](const caf::error*) {}, false);
}

} // namespace pm
