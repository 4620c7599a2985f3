#pragma once

#include <memory>
#include <mutex>

#include <pm/calls.hpp>
#include <pm/event_loop.hpp>

#include "actors/supervision.hpp"
#include "runtime/calls/worker_pool.hpp"

namespace pm {

// The pools of one node, one for each kind; they live on the loop, and are
// asked from any thread.
class call_pools {
public:
  // `loop` and `host` (which is called on the loop's thread) must outlive it.
  call_pools(event_loop& loop, process_host& host, const supervision& on,
             call_pool_options options);

  // `end` must be done, if the loop runs on another thread.
  ~call_pools();

  // One call on its way, for `cancel`.
  struct ticket;

  // Calls a function of this program (kind::function) or of Python; `done` is
  // called on the loop's thread. Errors: as node::call_function.
  std::shared_ptr<ticket> call(kind which, const call_spec& what,
                               std::optional<milliseconds> timeout,
                               std::function<void(expected<call_result>)> done);

  void cancel(std::shared_ptr<ticket> x);

  // Ends all workers; `done` is called on the loop's thread when they are gone.
  void end(std::function<void()> done);

private:
  void take_calls();
  calls::worker_pool& pool(kind which);

  event_loop& loop_;
  process_host& host_;
  calls::worker_command commands_[2]; // functions, Python
  calls::pool_limits limits_[2];
  std::unique_ptr<calls::worker_pool> pools_[2]; // the loop's
  std::mutex mutex_;
  std::vector<std::shared_ptr<ticket>> inbox_;
};

} // namespace pm
