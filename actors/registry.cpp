#include "actors/registry.hpp"

#include <algorithm>

#include <caf/send.hpp>

namespace pm {

namespace {

// How long those wait for a sync that nobody else has asked for.
constexpr std::chrono::milliseconds patience{50};

// How long after a failure the disk is tried again.
constexpr std::chrono::milliseconds mend_period{1000};

// How many ended runs are kept for the history while the disk refuses.
constexpr size_t owed_runs_max = 10000;

std::vector<change> to_store(const std::vector<registry_change>& changes) {
  std::vector<change> result;
  for (auto& x : changes) {
    if (!x.request_id.empty())
      result.push_back(request_mark{x.request_id, x.handle_id});
    if (x.definition)
      result.push_back(*x.definition);
    if (x.ended)
      result.push_back(*x.ended);
    if (x.state)
      result.push_back(state_change{x.handle_id, *x.state});
    if (x.removal)
      result.push_back(removal{x.handle_id});
  }
  return result;
}

} // namespace

void registry_state::init(pointer self, std::shared_ptr<registry_store> store,
                          registry_queues queues, node_mark mark) {
  self_ = self;
  store_ = std::move(store);
  queues_ = std::move(queues);
  mark_ = std::move(mark);
}

// -- writing ------------------------------------------------------------------

expected<uint64_t>
registry_state::put(const std::vector<registry_change>& changes) {
  auto sequence = store_->write(to_store(changes));
  if (sequence)
    written_ = *sequence;
  return sequence;
}

caf::result<uint64_t>
registry_state::write(std::vector<registry_change> changes) {
  expected<uint64_t> sequence;
  if (auto ok = pay(); ok)
    sequence = put(changes);
  else
    sequence = tl::make_unexpected(ok.error());
  if (sequence)
    return *sequence;
  owed_why_ = sequence.error();
  owe(std::move(changes));
  begin_jobs(); // a fresh snapshot is what mends a failed journal
  mend_later();
  return to_caf(owed_why_);
}

void registry_state::owe(std::vector<registry_change> changes) {
  for (auto& x : changes) {
    if (x.ended && owed_runs_.size() < owed_runs_max) {
      registry_change run;
      run.handle_id = x.handle_id;
      run.ended = std::move(x.ended);
      owed_runs_.push_back(std::move(run));
    }
    auto& owed = owed_[x.handle_id];
    owed.handle_id = x.handle_id;
    if (x.removal) {
      owed = {};
      owed.handle_id = x.handle_id;
      owed.removal = true;
      continue;
    }
    if (x.definition) {
      owed.definition = std::move(x.definition);
      owed.removal = false;
    }
    if (x.state)
      owed.state = std::move(x.state);
  }
}

// Writes what is owed, all or nothing.
expected<void> registry_state::pay() {
  if (owed_.empty() && owed_runs_.empty())
    return {};
  auto changes = owed_runs_;
  for (auto& [id, x] : owed_)
    changes.push_back(x);
  auto sequence = put(changes);
  if (!sequence)
    return tl::make_unexpected(sequence.error());
  owed_.clear();
  owed_runs_.clear();
  return {};
}

void registry_state::mend_later() {
  if (!mending_)
    self_->delayed_send(self_, mend_period, mend_atom::value);
  mending_ = true;
}

void registry_state::mend() {
  mending_ = false;
  if (!store_->is_sound()) {
    compaction_due_ = true;
    begin_jobs(); // goes on in `compacted`
    return;
  }
  if (auto ok = pay(); !ok) {
    owed_why_ = ok.error();
    mend_later();
  }
  begin_jobs();
}

// -- asking for durability ----------------------------------------------------

registry_state::promise registry_state::sync(uint64_t sequence) {
  auto reply = self_->make_response_promise<uint64_t>();
  auto wanted = sequence == 0 ? written_ : sequence;
  if (auto ok = pay(); !ok) {
    reply.deliver(to_caf(ok.error()));
    return reply;
  }
  if (sequence == 0)
    wanted = written_;
  if (wanted <= durable_) {
    reply.deliver(durable_);
    return reply;
  }
  sync_waiters_.push_back({wanted, false, reply});
  begin_jobs();
  return reply;
}

registry_state::promise registry_state::sync_later() {
  auto reply = self_->make_response_promise<uint64_t>();
  auto owes = !owed_.empty();
  if (!owes && written_ <= durable_) {
    reply.deliver(durable_);
    return reply;
  }
  // What is owed will have a number above all there are.
  sync_waiters_.push_back({written_ + (owes ? 1 : 0), true, reply});
  if (!waiting_)
    self_->delayed_send(self_, patience, delay_atom::value);
  waiting_ = true;
  return reply;
}

void registry_state::moment_over() {
  waiting_ = false;
  begin_jobs();
}

registry_state::promise registry_state::save() {
  auto reply = self_->make_response_promise<uint64_t>();
  save_waiters_.push_back(reply);
  begin_jobs();
  return reply;
}

expected<uint64_t> registry_state::write_mark(bool clean_shutdown) {
  mark_.clean_shutdown = clean_shutdown;
  std::vector<change> changes;
  changes.push_back(mark_);
  auto sequence = store_->write(changes);
  if (sequence)
    written_ = *sequence;
  return sequence;
}

registry_state::promise registry_state::mark(bool clean_shutdown) {
  auto sequence = write_mark(clean_shutdown);
  if (sequence)
    return sync(*sequence);
  auto reply = self_->make_response_promise<uint64_t>();
  reply.deliver(to_caf(sequence.error()));
  return reply;
}

// -- jobs: one sync and one snapshot at a time --------------------------------

void registry_state::begin_jobs() {
  if (!compacting_
      && (compaction_due_ || !save_waiters_.empty()
          || store_->wants_compaction()))
    begin_compaction();
  // Who waits for what is owed is helped by no sync.
  auto helps = [this](const waiter& x) { return x.sequence <= written_; };
  if (!syncing_ && store_->is_sound()
      && std::any_of(sync_waiters_.begin(), sync_waiters_.end(), helps))
    begin_sync();
}

void registry_state::begin_sync() {
  syncing_ = true;
  queues_.syncs->submit(
    store_->sync_job(), [me = registry_actor{self_},
                         sequence = written_](const expected<void>& outcome) {
      caf::anon_send(me, written_atom::value, sequence, false,
                     outcome ? std::string{} : outcome.error().text);
    });
}

void registry_state::begin_compaction() {
  compacting_ = true;
  compaction_due_ = false;
  saving_ = std::move(save_waiters_);
  save_waiters_.clear();
  queues_.snapshots->submit(
    store_->compaction_job(), [me = registry_actor{self_}, sequence = written_](
                                const expected<void>& outcome) {
      caf::anon_send(me, written_atom::value, sequence, true,
                     outcome ? std::string{} : outcome.error().text);
    });
}

void registry_state::job_done(uint64_t sequence, bool was_compaction,
                              std::string failure) {
  expected<void> outcome;
  if (!failure.empty())
    outcome = fail(ec::storage_failed, "{}", failure);
  if (outcome)
    durable_ = std::max(durable_, sequence);
  if (was_compaction) {
    compacting_ = false;
    compacted(outcome);
  } else {
    // After a failure those who wait go on waiting, for a fresh snapshot.
    syncing_ = false;
    store_->sync_done(outcome);
  }
  deliver_up_to_durable();
  begin_jobs();
}

void registry_state::compacted(const expected<void>& outcome) {
  store_->compaction_done(outcome);
  for (auto& reply : saving_)
    if (outcome)
      reply.deliver(store_->generation());
    else
      reply.deliver(to_caf(outcome.error()));
  saving_.clear();
  if (outcome) {
    if (!pay())
      mend_later();
    return;
  }
  owed_why_ = outcome.error();
  if (!store_->is_sound())
    fail_waiters(outcome.error());
  mend_later();
}

void registry_state::deliver_up_to_durable() {
  std::erase_if(sync_waiters_, [&](waiter& x) {
    if (x.sequence > durable_)
      return false;
    x.reply.deliver(durable_);
    return true;
  });
}

void registry_state::fail_waiters(const error& why) {
  std::erase_if(sync_waiters_, [&](waiter& x) {
    if (x.patient)
      return false;
    x.reply.deliver(to_caf(why));
    return true;
  });
}

// -- the history --------------------------------------------------------------

registry_state::history_promise registry_state::history(std::string handle_id,
                                                        uint64_t count_max) {
  auto reply = self_->make_response_promise<std::vector<ended_run>>();
  auto number = ++history_number_;
  history_waiters_.emplace(number, reply);
  auto runs = std::make_shared<std::vector<ended_run>>();
  auto job = [read = store_->read_history(std::move(handle_id), count_max),
              runs]() -> expected<void> {
    auto found = read();
    if (!found)
      return tl::make_unexpected(found.error());
    *runs = std::move(*found);
    return {};
  };
  queues_.snapshots->submit(
    std::move(job),
    [me = registry_actor{self_}, number, runs](const expected<void>& outcome) {
      caf::anon_send(me, history_atom::value, number, std::move(*runs),
                     outcome ? error{} : outcome.error());
    });
  return reply;
}

void registry_state::history_done(uint64_t number, std::vector<ended_run> runs,
                                  const error& failure) {
  auto found = history_waiters_.find(number);
  if (found == history_waiters_.end())
    return;
  if (failure.code == ec::none)
    found->second.deliver(std::move(runs));
  else
    found->second.deliver(to_caf(failure));
  history_waiters_.erase(found);
}

// -- other files --------------------------------------------------------------

caf::typed_response_promise<bool> registry_state::keep(std::string name,
                                                       std::string text) {
  auto reply = self_->make_response_promise<bool>();
  auto number = ++keep_number_;
  keep_waiters_.emplace(number, reply);
  queues_.snapshots->submit(
    [files = queues_.files, name = std::move(name), text = std::move(text)] {
      return put_file(*files, name, text);
    },
    [me = registry_actor{self_}, number](const expected<void>& outcome) {
      caf::anon_send(me, keep_atom::value, number,
                     outcome ? error{} : outcome.error());
    });
  return reply;
}

void registry_state::kept(uint64_t number, const error& failure) {
  auto found = keep_waiters_.find(number);
  if (found == keep_waiters_.end())
    return;
  if (failure.code == ec::none)
    found->second.deliver(true);
  else
    found->second.deliver(to_caf(failure));
  keep_waiters_.erase(found);
}

registry_actor::behavior_type registry(registry_state::pointer self,
                                       std::shared_ptr<registry_store> store,
                                       registry_queues queues, node_mark mark) {
  self->state.init(self, std::move(store), std::move(queues), std::move(mark));
  return {
    [self](write_atom, std::vector<registry_change>& changes) {
      return self->state.write(std::move(changes));
    },
    [self](sync_atom, uint64_t sequence) { return self->state.sync(sequence); },
    [self](later_atom) { return self->state.sync_later(); },
    [self](delay_atom) { self->state.moment_over(); },
    [self](mend_atom) { self->state.mend(); },
    [self](save_atom) { return self->state.save(); },
    [self](mark_atom) { self->state.write_mark(false); },
    [self](mark_atom, bool clean) { return self->state.mark(clean); },
    [self](keep_atom, std::string& name, std::string& text) {
      return self->state.keep(std::move(name), std::move(text));
    },
    [self](keep_atom, uint64_t number, const error& failure) {
      self->state.kept(number, failure);
    },
    [self](history_atom, std::string& handle_id, uint64_t count_max) {
      return self->state.history(std::move(handle_id), count_max);
    },
    [self](history_atom, uint64_t number, std::vector<ended_run>& runs,
           const error& failure) {
      self->state.history_done(number, std::move(runs), failure);
    },
    [self](written_atom, uint64_t sequence, bool was_compaction,
           std::string& failure) {
      self->state.job_done(sequence, was_compaction, std::move(failure));
    },
  };
}

} // namespace pm
