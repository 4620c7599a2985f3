#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>

#include <pm/error.hpp>

namespace pm {

// Runs what blocks (fsync, snapshots) away from the actors' thread, in order.
class work_queue {
public:
  using job = std::function<expected<void>()>;
  using completion = std::function<void(const expected<void>&)>;

  virtual ~work_queue() = default;

  // Queues a job. `done` is called with its outcome on the thread that ran it;
  // only a message may leave from there.
  virtual void submit(job what, completion done) = 0;
};

// One thread of its own; sleeps while there is nothing to do. The destructor
// runs what is queued, then joins.
class work_thread : public work_queue {
public:
  work_thread();
  ~work_thread() override;

  void submit(job what, completion done) override;

private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::queue<std::pair<job, completion>> queue_;
  bool ending_ = false;
  std::thread thread_; // last: it uses the others
};

} // namespace pm
