#include "actors/work_queue.hpp"

#include <csignal>

#include <pthread.h>

namespace pm {

work_thread::work_thread() {
  // Signals are for the host's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

work_thread::~work_thread() {
  {
    std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void work_thread::submit(job what, completion done) {
  {
    std::lock_guard lock{mutex_};
    queue_.emplace(std::move(what), std::move(done));
  }
  wake_.notify_one();
}

void work_thread::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (queue_.empty())
      return;
    auto [what, done] = std::move(queue_.front());
    queue_.pop();
    lock.unlock();
    done(what());
    lock.lock();
  }
}

} // namespace pm
