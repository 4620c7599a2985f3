#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <pm/actors.hpp>
#include <pm/registry_store.hpp>
#include <pm/storage.hpp>

#include "actors/work_queue.hpp"

namespace pm {

// Where what waits for the disk is done: syncs and snapshots side by side.
struct registry_queues {
  std::shared_ptr<work_queue> syncs;
  std::shared_ptr<work_queue> snapshots; // and reading the history
  std::shared_ptr<storage> files;        // of the same directory
};

// The only writer of the state directory. Writes at once, on its own thread;
// what waits for the disk is done by the work queues, and all who ask for
// durability meanwhile share the next sync (group commit).
//
// While the disk refuses, what has happened is owed: the newest of it is kept
// here, and written when the disk takes it again, which is tried every
// `mend_period`. Until then every sync is answered with an error.
class registry_state {
public:
  using pointer = registry_actor::stateful_pointer<registry_state>;
  using promise = caf::typed_response_promise<uint64_t>;
  using history_promise = caf::typed_response_promise<std::vector<ended_run>>;

  void init(pointer self, std::shared_ptr<registry_store> store,
            registry_queues queues, node_mark mark);

  caf::result<uint64_t> write(std::vector<registry_change> changes);
  promise sync(uint64_t sequence);
  promise sync_later();
  void moment_over();
  promise save();
  promise mark(bool clean_shutdown);
  expected<uint64_t> write_mark(bool clean_shutdown);
  history_promise history(std::string handle_id, uint64_t count_max);

  caf::typed_response_promise<bool> keep(std::string name, std::string text);
  void kept(uint64_t number, const error& failure);

  void job_done(uint64_t sequence, bool was_compaction, std::string failure);
  void history_done(uint64_t number, std::vector<ended_run> runs,
                    const error& failure);
  void mend();

private:
  struct waiter {
    uint64_t sequence = 0;
    bool patient = false; // waits until it is durable, however long that takes
    promise reply;
  };

  expected<uint64_t> put(const std::vector<registry_change>& changes);
  void owe(std::vector<registry_change> changes);
  expected<void> pay();
  void begin_jobs();
  void begin_sync();
  void begin_compaction();
  void compacted(const expected<void>& outcome);
  void deliver_up_to_durable();
  void fail_waiters(const error& why);
  void mend_later();

  pointer self_ = nullptr;
  std::shared_ptr<registry_store> store_;
  registry_queues queues_;
  node_mark mark_;
  bool waiting_ = false; // the timer for those that can wait runs
  bool mending_ = false; // the timer of the next attempt runs
  bool syncing_ = false;
  bool compacting_ = false;
  bool compaction_due_ = false; // whatever the store thinks of it
  uint64_t written_ = 0;        // the last sequence number
  uint64_t durable_ = 0;        // all up to here is on disk for good
  std::vector<waiter> sync_waiters_;
  std::vector<promise> save_waiters_; // for the next compaction
  std::vector<promise> saving_;       // for the one under way
  std::map<std::string, registry_change> owed_;
  std::vector<registry_change> owed_runs_; // that ended, in order
  error owed_why_;
  uint64_t history_number_ = 0;
  std::map<uint64_t, history_promise> history_waiters_;
  uint64_t keep_number_ = 0;
  std::map<uint64_t, caf::typed_response_promise<bool>> keep_waiters_;
};

registry_actor::behavior_type registry(registry_state::pointer self,
                                       std::shared_ptr<registry_store> store,
                                       registry_queues queues, node_mark mark);

} // namespace pm
