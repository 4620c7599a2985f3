#include "actors/supervisor.hpp"

#include <csignal>
#include <utility>

#include <caf/send.hpp>

// What clients ask of a supervisor. Two clients cannot collide: requests come
// one at a time, the last intent wins, and who waited for another one is told.

namespace pm {

bool supervisor_state::is_up() const {
  auto now_is = record_.state.status;
  return now_is == status::starting || now_is == status::running
         || now_is == status::unknown;
}

supervisor_state::outcome supervisor_state::start(request_context by) {
  if (leaving_)
    return start_elsewhere(std::move(by));
  auto promise = self_->make_response_promise<change_outcome>();
  auto& state = record_.state;
  if (by.cause == cause::dependency && state.held_down) {
    answer(promise, false); // a person has stopped it meanwhile
    return promise;
  }
  if (is_up()) {
    if (state.status == status::starting && by.wait)
      start_waiters_.push_back({promise, false});
    else
      answer(promise, false);
    return promise;
  }
  if (state.status != status::stopping)
    before_start_ = std::make_unique<process_state>(state);
  note(by);
  state.wanted = true;
  state.held_down = false;
  going_down_ = false;
  state.awaits_due = spec().schedule && by.cause == cause::config;
  if (by.cause == cause::user || by.cause == cause::config) {
    state.failures = 0;
    state.recent_starts.clear();
  }
  again_ = state.status == status::stopping;
  auto waits = by.wait && !state.awaits_due; // for a run that begins now
  if (waits)
    start_waiters_.push_back({promise, true});
  auto from = state.status;
  step(next_start());
  if (again_ || from == state.status)
    keep_intent();
  follow_schedule();
  if (!waits)
    answer(promise, true);
  return promise;
}

caf::typed_response_promise<process_result>
supervisor_state::run(run_request what, output_listener to,
                      request_context by) {
  auto promise = self_->make_response_promise<process_result>();
  before_start_ = std::make_unique<process_state>(record_.state);
  note(by);
  record_.state.wanted = true;
  record_.state.removable = true;
  record_.state.time_limit = what.timeout;
  run_ = std::make_unique<one_run>();
  run_->promise = promise;
  run_->request = std::move(what);
  run_->correlation_id = std::move(by.correlation_id);
  run_->listener = std::move(to);
  step(life_event::start);
  return promise;
}

void supervisor_state::withdraw(const std::string& correlation_id) {
  if (!run_ || run_->correlation_id != correlation_id)
    return;
  request_context by;
  by.correlation_id = correlation_id;
  caf::anon_send(supervisor_actor{self_}, stop_atom::value, true,
                 std::move(by)); // nobody waits for the answer
}

supervisor_state::outcome supervisor_state::stop(bool force,
                                                 request_context by) {
  auto promise = self_->make_response_promise<change_outcome>();
  auto& state = record_.state;
  if (leaving_) {
    answer(promise, false);
    return promise;
  }
  auto shutdown = by.cause == cause::shutdown;
  auto changes = is_alive(state.status) || state.status == status::backoff
                 || state.status == status::pending;
  auto intent_changes = !shutdown && (state.wanted || !state.held_down);
  if (changes)
    note(by);
  if (is_alive(state.status))
    end_asked_ = state.asked;
  if (shutdown) {
    going_down_ = true;
  } else {
    state.wanted = false;
    state.held_down = state.held_down || by.cause == cause::user;
    leave_schedule();
  }
  again_ = false;
  forced_ = forced_ || force;
  if (state.status == status::backoff)
    state.status_text.clear(); // when it would have begun again
  reject_all(std::exchange(start_waiters_, {}),
             {ec::cancelled, fmt::format("start '{}': it was stopped by "
                                         "another request meanwhile",
                                         id())});
  auto from = state.status;
  step(force ? life_event::kill : life_event::stop);
  if (from == state.status && intent_changes)
    keep_intent();
  if (is_alive(state.status) && by.wait)
    stop_waiters_.push_back({promise, true});
  else
    answer(promise, changes);
  return promise;
}

supervisor_state::outcome supervisor_state::restart(bool force,
                                                    request_context by) {
  if (leaving_)
    return restart_elsewhere(force, std::move(by));
  auto status_now = record_.state.status;
  auto with_another = by.cause == cause::dependency;
  if (!with_another && status_now != status::running
      && status_now != status::stopping)
    return start(std::move(by));
  auto promise = self_->make_response_promise<change_outcome>();
  if (with_another
      && (status_now != status::running || !record_.state.wanted)) {
    answer(promise, false); // it was stopped meanwhile, or ended
    return promise;
  }
  // What cannot be recorded must not end what runs: the intent comes first.
  auto& state = record_.state;
  auto before = state;
  note(by);
  state.wanted = true;
  state.held_down = going_down_ = false;
  state.failures = 0;
  state.recent_starts.clear();
  publish(state.status);
  persist([this, promise, force, wait = by.wait, before](const error* why) {
    if (why == nullptr)
      return go_on_restarting(promise, force, wait);
    auto& state_now = record_.state;
    state_now.asked = before.asked;
    state_now.wanted = before.wanted;
    state_now.held_down = before.held_down;
    state_now.failures = before.failures;
    state_now.recent_starts = before.recent_starts;
    keep_intent();
    reject_all(
      {{promise, false}},
      {why->code, fmt::format("restart '{}': it could not be recorded "
                              "({}); it stays {}",
                              id(), why->text, to_string(state_now.status))});
  });
  return promise;
}

void supervisor_state::go_on_restarting(outcome promise, bool force,
                                        bool wait) {
  auto& state = record_.state;
  if (going_down_ || !state.wanted)
    return reject_all(
      {{promise, false}},
      {ec::cancelled, fmt::format("restart '{}': it was stopped "
                                  "by another request meanwhile",
                                  id())});
  if (wait)
    start_waiters_.push_back({promise, true});
  follow_schedule(); // a stop under way had ended it
  if (state.status == status::running || state.status == status::stopping) {
    again_ = true;
    forced_ = force;
    end_asked_ = state.asked;
    step(force ? life_event::kill : life_event::restart);
  } else { // it has ended meanwhile
    step(next_start());
  }
  if (!wait)
    answer(promise, true);
}

supervisor_state::outcome supervisor_state::signal(int number,
                                                   request_context by) {
  if (leaving_)
    return nobody_here("signal");
  auto promise = self_->make_response_promise<change_outcome>();
  if (by.request_id.empty()) {
    send_signal(promise, number);
    return promise;
  }
  registry_change mark;
  mark.handle_id = id();
  mark.request_id = by.request_id;
  write(std::move(mark), [this, promise, number](const error* why) {
    if (why == nullptr)
      return send_signal(promise, number);
    reject_all({{promise, false}},
               {why->code, fmt::format("signal '{}': it could not be recorded "
                                       "({}); it was not sent",
                                       id(), why->text)});
  });
  return promise;
}

void supervisor_state::send_signal(outcome promise, int number) {
  auto& state = record_.state;
  if (state.identity.pid == 0 || exit_)
    return reject_all(
      {{promise, false}},
      {ec::not_running, fmt::format("signal '{}': it is {} and has no process",
                                    id(), to_string(state.status))});
  was_killed_ = was_killed_ || number == SIGKILL;
  on_->host->signal(state.run_id, number, signal_scope::one_process);
  promise.deliver(change_outcome{true, make_view(*on_, record_)});
}

bool supervisor_state::redefine(process_definition what) {
  what.handle_id = id();
  if (leaving_) { // a start comes behind it
    next_definition_ = std::make_unique<process_definition>(std::move(what));
    return false;
  }
  if (is_stored_ || what.created_at == timestamp{})
    what.created_at = record_.definition.created_at;
  if (is_stored_ && what == record_.definition)
    return false;
  auto before = std::exchange(record_.definition, std::move(what));
  if (record_.state.status == status::running
      && before.spec.probes != spec().probes)
    begin_probes(true);
  keep_limits(before.spec);
  is_stored_ = false;
  persist([this, before](const error* why) {
    if (why == nullptr || leaving_ || spawn_pending_)
      return;
    if (!was_stored_)
      return forget();
    auto refused = std::exchange(record_.definition, before);
    keep_limits(refused.spec);
    is_stored_ = false;
    persist();
    self_->send(manager_, define_atom::value, before);
  });
  self_->send(manager_, define_atom::value, record_.definition);
  if (before.spec.schedule != spec().schedule)
    take_new_schedule();
  return true;
}

supervisor_state::outcome supervisor_state::define(process_definition what,
                                                   request_context by) {
  if (leaving_)
    return define_elsewhere(what, std::move(by));
  auto promise = self_->make_response_promise<change_outcome>();
  answer(promise, redefine(std::move(what)));
  return promise;
}

caf::typed_response_promise<bool> supervisor_state::feed(std::string bytes) {
  auto promise = self_->make_response_promise<bool>();
  if (record_.state.identity.pid == 0 || exit_) {
    promise.deliver(
      to_caf({ec::not_running,
              fmt::format("stdin of '{}': it has no process", id())}));
    return promise;
  }
  feeders_.push_back(promise);
  // The host tells on its own thread; only a message may come back from there.
  on_->host->write_stdin(record_.state.run_id, std::move(bytes),
                         [me = supervisor_actor{self_}](expected<void> done) {
                           caf::anon_send(me, fed_atom::value,
                                          done ? error{} : done.error());
                         });
  return promise;
}

void supervisor_state::fed(const error& outcome) {
  if (feeders_.empty())
    return;
  auto promise = std::move(feeders_.front());
  feeders_.erase(feeders_.begin());
  if (outcome.code == ec::none)
    promise.deliver(true);
  else
    promise.deliver(to_caf(outcome));
}

void supervisor_state::close_stdin() {
  on_->host->close_stdin(record_.state.run_id);
}

void supervisor_state::consumed(stream which, uint64_t bytes) {
  on_->host->consumed(record_.state.run_id, which, bytes);
}

// -- answers ------------------------------------------------------------------

void supervisor_state::note(const request_context& by) {
  record_.state.asked =
    asker{by.cause, by.correlation_id, by.uid, by.pid, by.program, now()};
  request_id_ = by.request_id;
}

void supervisor_state::answer(outcome promise, bool changed) {
  change_outcome result{changed, make_view(*on_, record_)};
  after_sync([this, promise, result](const caf::error* why) mutable {
    if (why == nullptr)
      promise.deliver(std::move(result));
    else
      promise.deliver(
        to_caf({ec::storage_failed,
                fmt::format("'{}' is {}, which is not on disk yet: {}; it is "
                            "kept in memory until it can be written",
                            id(), to_string(record_.state.status),
                            from_caf(*why).text)}));
  });
}

void supervisor_state::answer_all(std::vector<waiter>& waiters) {
  for (auto& x : waiters)
    answer(x.promise, x.changed);
  waiters.clear();
}

void supervisor_state::reject_all(std::vector<waiter> waiters,
                                  const error& why) {
  for (auto& x : waiters)
    x.promise.deliver(to_caf(why));
}

} // namespace pm
