#include "actors/registry.hpp"

#include <caf/send.hpp>

namespace pm {

namespace {

// How long those wait for a sync that nobody else has asked for.
constexpr std::chrono::milliseconds patience{50};

std::vector<change> to_store(const std::vector<registry_change>& changes) {
  std::vector<change> result;
  for (auto& x : changes) {
    if (x.definition)
      result.push_back(*x.definition);
    if (x.state)
      result.push_back(state_change{x.handle_id, *x.state});
    if (x.removal)
      result.push_back(removal{x.handle_id});
  }
  return result;
}

} // namespace

void registry_state::init(pointer self, std::shared_ptr<registry_store> store,
                          std::shared_ptr<work_queue> queue, node_mark mark) {
  self_ = self;
  store_ = std::move(store);
  queue_ = std::move(queue);
  mark_ = std::move(mark);
}

caf::result<uint64_t>
registry_state::write(const std::vector<registry_change>& changes) {
  auto sequence = store_->write(to_store(changes));
  if (!sequence) {
    begin_job(); // a fresh snapshot is what mends a failed journal
    return to_caf(sequence.error());
  }
  written_ = *sequence;
  return written_;
}

registry_state::promise registry_state::sync(uint64_t sequence) {
  auto reply = self_->make_response_promise<uint64_t>();
  auto wanted = sequence == 0 ? written_ : sequence;
  if (wanted <= durable_) {
    reply.deliver(durable_);
    return reply;
  }
  sync_waiters_.push_back({wanted, reply});
  begin_job();
  return reply;
}

registry_state::promise registry_state::sync_later() {
  auto reply = self_->make_response_promise<uint64_t>();
  if (written_ <= durable_) {
    reply.deliver(durable_);
    return reply;
  }
  sync_waiters_.push_back({written_, reply});
  if (!waiting_)
    self_->delayed_send(self_, patience, delay_atom::value);
  waiting_ = true;
  return reply;
}

void registry_state::moment_over() {
  waiting_ = false;
  begin_job();
}

registry_state::promise registry_state::save() {
  auto reply = self_->make_response_promise<uint64_t>();
  save_waiters_.push_back(reply);
  begin_job();
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

// -- jobs, one at a time
// --------------------------------------------------------

void registry_state::begin_job() {
  if (busy_)
    return;
  if (!save_waiters_.empty() || store_->wants_compaction())
    begin_compaction();
  else if (!sync_waiters_.empty())
    begin_sync();
}

void registry_state::begin_sync() {
  busy_ = true;
  queue_->submit(
    store_->sync_job(), [me = registry_actor{self_},
                         sequence = written_](const expected<void>& outcome) {
      caf::anon_send(me, written_atom::value, sequence, false,
                     outcome ? std::string{} : outcome.error().text);
    });
}

void registry_state::begin_compaction() {
  busy_ = true;
  saving_ = std::move(save_waiters_);
  save_waiters_.clear();
  queue_->submit(
    store_->compaction_job(), [me = registry_actor{self_}, sequence = written_](
                                const expected<void>& outcome) {
      caf::anon_send(me, written_atom::value, sequence, true,
                     outcome ? std::string{} : outcome.error().text);
    });
}

void registry_state::job_done(uint64_t sequence, bool was_compaction,
                              std::string failure) {
  busy_ = false;
  expected<void> outcome;
  if (!failure.empty())
    outcome = fail(ec::storage_failed, "{}", failure);
  if (was_compaction) {
    store_->compaction_done(outcome);
    for (auto& reply : saving_)
      if (outcome)
        reply.deliver(store_->generation());
      else
        reply.deliver(to_caf(outcome.error()));
    saving_.clear();
  } else {
    store_->sync_done(outcome);
  }
  answer_waiters(outcome, sequence);
  begin_job();
}

void registry_state::answer_waiters(const expected<void>& outcome,
                                    uint64_t sequence) {
  if (outcome)
    durable_ = std::max(durable_, sequence);
  std::erase_if(sync_waiters_, [&](waiter& x) {
    if (x.sequence > sequence)
      return false;
    if (outcome)
      x.reply.deliver(durable_);
    else
      x.reply.deliver(to_caf(outcome.error()));
    return true;
  });
}

registry_actor::behavior_type registry(registry_state::pointer self,
                                       std::shared_ptr<registry_store> store,
                                       std::shared_ptr<work_queue> queue,
                                       node_mark mark) {
  self->state.init(self, std::move(store), std::move(queue), std::move(mark));
  return {
    [self](write_atom, const std::vector<registry_change>& changes) {
      return self->state.write(changes);
    },
    [self](sync_atom, uint64_t sequence) { return self->state.sync(sequence); },
    [self](later_atom) { return self->state.sync_later(); },
    [self](delay_atom) { self->state.moment_over(); },
    [self](save_atom) { return self->state.save(); },
    [self](mark_atom) { self->state.write_mark(false); },
    [self](mark_atom, bool clean) { return self->state.mark(clean); },
    [self](written_atom, uint64_t sequence, bool was_compaction,
           std::string& failure) {
      self->state.job_done(sequence, was_compaction, std::move(failure));
    },
  };
}

} // namespace pm
