#include "actors/supervisor.hpp"

#include <utility>

#include "runtime/calls/call_file.hpp"

// What a supervisor tells the registry and the manager.

namespace pm {

namespace {

// How long a start that policy wants waits for the disk.
constexpr milliseconds record_retry_delay{1000};

} // namespace

// The run that has ended goes with one write only.
void supervisor_state::take_end(registry_change& to) {
  if (auto ended = std::exchange(ended_, nullptr))
    to.ended = std::move(*ended);
}

// Writes the state, with the definition if that is new. The write before a
// spawn is its intent: the spawn follows when it was taken.
void supervisor_state::persist(after_write then) {
  registry_change change;
  change.handle_id = id();
  auto defines = !is_stored_;
  if (defines)
    change.definition = record_.definition;
  is_stored_ = true;
  change.state = record_.state;
  take_end(change);
  change.request_id = std::exchange(request_id_, {});
  auto is_intent = spawn_pending_ && !spawn_written_;
  spawn_written_ = spawn_pending_;
  write(std::move(change),
        [this, is_intent, defines, then = std::move(then)](const error* why) {
          if (why == nullptr && defines)
            was_stored_ = true;
          if (is_intent)
            intent_written(why);
          if (then)
            then(why);
        });
}

void supervisor_state::write(registry_change change, after_write then) {
  auto request = change.request_id;
  std::vector<registry_change> changes;
  changes.push_back(std::move(change));
  self_
    ->request(on_->registry, caf::infinite, write_atom::value,
              std::move(changes))
    .then([then](uint64_t) { then(nullptr); },
          [this, then, request](const caf::error& why) {
            if (!request.empty()) // it may come again
              self_->send(manager_, refused_atom::value, id(), request);
            auto ours = from_caf(why);
            then(&ours);
          });
}

// The registry keeps in memory what the disk has refused; only what has not
// happened yet can be refused.
void supervisor_state::intent_written(const error* why_not) {
  if (!spawn_pending_)
    return;
  spawn_pending_ = false;
  auto before = std::exchange(before_start_, nullptr);
  if (record_.state.status == status::stopping)
    fail_spawn(stopped_before());
  else if (why_not == nullptr)
    begin_spawn();
  else if (before)
    refuse_start(std::move(*before), *why_not);
  else
    postpone_start(*why_not);
}

// Nothing has happened yet: all is as it was.
void supervisor_state::refuse_start(process_state before, const error& why) {
  record_.state = std::move(before);
  record_.state.status = status::starting;
  record_.state.wanted = false;
  error refused{why.code, fmt::format("start '{}': it could not be recorded "
                                      "({}); it was not started",
                                      id(), why.text)};
  record_.state.status_text = refused.text;
  if (run_)
    run_->why_not = refused;
  auto waiters = std::move(start_waiters_);
  start_waiters_.clear();
  step(life_event::not_recorded);
  reject_all(waiters, refused);
  if ((!was_stored_ || is_unborn_) && !leaving_)
    forget();
}

// What is up by policy comes up as soon as it can be recorded.
void supervisor_state::postpone_start(const error& why) {
  auto& state = record_.state;
  if (!state.recent_starts.empty())
    state.recent_starts.pop_back();
  if (state.asked.cause == cause::policy && state.restart_count > 0)
    --state.restart_count;
  state.retry_at = now() + record_retry_delay;
  state.status_text =
    fmt::format("waits until it can be recorded: {}", why.text);
  step(life_event::spawn_retry);
}

void supervisor_state::note_end(const exit_status& exit, timestamp at) {
  auto& state = record_.state;
  ended_run run;
  run.handle_id = id();
  run.run_id = state.run_id;
  run.pid = state.identity.pid;
  run.started_at = state.started_at;
  run.ended_at = at;
  run.exit = exit;
  run.started = state.run_asked;
  if (end_asked_)
    run.ended = *end_asked_;
  else if (state.status == status::stopping && !timed_out_)
    run.ended = state.asked; // asked of the node before this one
  ended_ = std::make_unique<ended_run>(std::move(run));
}

void supervisor_state::publish(status from) {
  auto& state = record_.state;
  process_event event;
  event.time = now();
  event.handle_id = id();
  event.run_id = state.run_id.str();
  event.correlation_id = state.asked.correlation_id;
  event.from = from;
  event.to = state.status;
  event.cause = state.asked.cause;
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
// for that.
void supervisor_state::acknowledge(run_id run) {
  auto call =
    spec().call ? calls::call_file_path(on_->state_dir, run) : std::string{};
  after_sync(
    [host = on_->host, run, call](const caf::error* why) {
      if (why != nullptr)
        return;
      if (!call.empty())
        calls::remove_call_file(call);
      host->acknowledge(run);
    },
    false);
}

// The name is free when its client has the result.
void supervisor_state::finish_run() {
  auto run = std::move(run_);
  forget();
  if (!run)
    return;
  if (run->why_not.code != ec::none)
    run->promise.deliver(to_caf(run->why_not));
  else
    run->promise.deliver(std::move(run->result));
}

} // namespace pm
