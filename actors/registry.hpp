#pragma once

#include <memory>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <pm/actors.hpp>
#include <pm/registry_store.hpp>

#include "actors/work_queue.hpp"

namespace pm {

// The only writer of the state directory. Writes at once, on its own thread;
// everything that waits for the disk is done by the work queue, one job at a
// time, and all who ask for durability meanwhile share the next one (group
// commit).
class registry_state {
public:
  using pointer = registry_actor::stateful_pointer<registry_state>;
  using promise = caf::typed_response_promise<uint64_t>;

  void init(pointer self, std::shared_ptr<registry_store> store,
            std::shared_ptr<work_queue> queue, node_mark mark);

  caf::result<uint64_t> write(const std::vector<registry_change>& changes);
  promise sync(uint64_t sequence);
  promise sync_later();
  void moment_over();
  promise save();
  promise mark(bool clean_shutdown);
  expected<uint64_t> write_mark(bool clean_shutdown);
  void job_done(uint64_t sequence, bool was_compaction, std::string failure);

private:
  struct waiter {
    uint64_t sequence = 0;
    promise reply;
  };

  void begin_job();
  void begin_sync();
  void begin_compaction();
  void answer_waiters(const expected<void>& outcome, uint64_t sequence);

  pointer self_ = nullptr;
  std::shared_ptr<registry_store> store_;
  std::shared_ptr<work_queue> queue_;
  node_mark mark_;
  bool waiting_ = false; // the timer for those that can wait runs
  bool busy_ = false;    // a job is under way
  uint64_t written_ = 0; // the last sequence number
  uint64_t durable_ = 0; // all up to here is on disk for good
  std::vector<waiter> sync_waiters_;
  std::vector<promise> save_waiters_; // for the next compaction
  std::vector<promise> saving_;       // for the one under way
};

registry_actor::behavior_type registry(registry_state::pointer self,
                                       std::shared_ptr<registry_store> store,
                                       std::shared_ptr<work_queue> queue,
                                       node_mark mark);

} // namespace pm
