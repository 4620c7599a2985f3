#include "runtime/calls/worker_pool.hpp"

#include <algorithm>
#include <functional>

#include "runtime/calls/pool_worker.hpp"

namespace pm::calls {

namespace {

using clock = std::chrono::steady_clock;

// Calls that are known to kill their workers, at most.
constexpr size_t deaths_max = 1024;

uint64_t hash_of(const std::string& body) {
  return std::hash<std::string>{}(body);
}

} // namespace

std::string last_words(const run_output& printed) {
  constexpr size_t words_max = 2000;
  std::string result;
  for (std::string_view text : {printed.stdout_text, printed.stderr_text}) {
    text.remove_prefix(text.size() - std::min(text.size(), words_max));
    if (text.empty())
      continue;
    result += result.empty() ? "; it said: " : "\n";
    result += text;
  }
  return result;
}

worker_pool::worker_pool(event_loop& loop, process_host& host,
                         worker_command command, pool_limits limits)
  : loop_(loop),
    host_(host),
    command_(std::move(command)),
    limits_(limits),
    queue_timer_(loop.timer([this] { expire_queued(); })),
    idle_timer_(loop.timer([this] { on_idle(); })) {}

worker_pool::~worker_pool() {
  end_all();
  for (auto& worker : std::exchange(dying_, {}))
    worker->orphan();
}

void worker_pool::end(std::function<void()> done) {
  ended_ = std::move(done);
  end_all();
  if (dying_.empty() && ended_)
    std::exchange(ended_, {})();
}

void worker_pool::end_all() {
  is_ending_ = true;
  error why{ec::shutting_down, "the pool of workers ends"};
  for (auto& call : std::exchange(queue_, {}))
    call.done(tl::make_unexpected(why));
  auto all = workers_;
  for (auto& worker : all)
    worker->abandon(why);
}

uint64_t worker_pool::call(std::string body,
                           std::optional<milliseconds> timeout, reply_fn done) {
  auto number = ++last_number_;
  if (body.size() > body_max) {
    refuse(std::move(done),
           {ec::invalid_argument,
            fmt::format("the arguments have {} bytes; at most {} can be "
                        "passed",
                        body.size(), body_max)});
    return number;
  }
  if (is_poisoned(body)) {
    refuse(std::move(done),
           {ec::call_failed,
            fmt::format("this call has killed {} workers; it is refused",
                        limits_.poison_max)});
    return number;
  }
  if (queue_.size() >= limits_.queue_max) {
    refuse(std::move(done),
           {ec::busy, fmt::format("{} calls wait already", limits_.queue_max)});
    return number;
  }
  if (is_ending_) {
    refuse(std::move(done), {ec::shutting_down, "the pool of workers ends"});
    return number;
  }
  std::optional<clock::time_point> deadline;
  if (timeout)
    deadline = clock::now() + *timeout;
  queue_.push_back({number,
                    std::move(body),
                    deadline,
                    timeout.value_or(milliseconds{0}),
                    {},
                    std::move(done)});
  dispatch();
  if (deadline && !queue_.empty())
    expire_at(*deadline);
  return number;
}

void worker_pool::refuse(reply_fn done, error why) {
  loop_.post([done = std::move(done), why = std::move(why)] {
    done(tl::make_unexpected(why));
  });
}

// Gives calls to workers as long as there are both.
void worker_pool::dispatch() {
  while (!queue_.empty() && !is_ending_) {
    std::shared_ptr<pool_worker> worker;
    if (!free_.empty()) {
      worker = free_.back()->shared_from_this();
      free_.pop_back();
    } else if (workers_.size() < limits_.workers_max) {
      worker = std::make_shared<pool_worker>(*this);
      workers_.push_back(worker);
      if (auto started = worker->start(); !started) {
        workers_.pop_back();
        auto call = std::move(queue_.front());
        queue_.pop_front();
        refuse(std::move(call.done), started.error());
        continue;
      }
    } else {
      break;
    }
    auto call = std::move(queue_.front());
    queue_.pop_front();
    worker->begin(std::move(call));
  }
}

void worker_pool::on_free(pool_worker& worker) {
  free_.push_back(&worker);
  if (!queue_.empty())
    return dispatch();
  if (free_.size() == workers_.size())
    idle_timer_.arm(clock::now() + limits_.idle_max);
}

void worker_pool::on_gone(pool_worker& worker) {
  std::erase(free_, &worker);
  std::erase_if(workers_, [&](auto& x) { return x.get() == &worker; });
  dying_.push_back(worker.shared_from_this());
  if (!queue_.empty() && !is_ending_)
    dispatch();
}

void worker_pool::on_reaped(pool_worker& worker) {
  std::erase_if(dying_, [&](auto& x) { return x.get() == &worker; });
  if (is_ending_ && dying_.empty() && ended_)
    std::exchange(ended_, {})();
}

void worker_pool::on_idle() {
  if (free_.size() < workers_.size())
    return;
  for (auto* worker : std::exchange(free_, {}))
    worker->let_go();
}

void worker_pool::cancel(uint64_t number) {
  error why{ec::cancelled, "the call was cancelled"};
  auto found = std::find_if(queue_.begin(), queue_.end(),
                            [&](auto& call) { return call.number == number; });
  if (found != queue_.end()) {
    auto done = std::move(found->done);
    queue_.erase(found);
    return refuse(std::move(done), why);
  }
  for (auto& worker : workers_)
    if (worker->is_at(number)) {
      auto still = worker;
      return still->abandon(why);
    }
}

// -- calls that wait ----------------------------------------------------------

void worker_pool::expire_at(clock::time_point when) {
  if (queue_expires_ && *queue_expires_ <= when)
    return;
  queue_expires_ = when;
  queue_timer_.arm(when);
}

void worker_pool::expire_queued() {
  auto now = clock::now();
  queue_expires_.reset();
  std::vector<pending_call> late;
  std::erase_if(queue_, [&](pending_call& call) {
    if (!call.deadline || *call.deadline > now)
      return false;
    late.push_back(std::move(call));
    return true;
  });
  for (auto& call : queue_)
    if (call.deadline)
      expire_at(*call.deadline);
  for (auto& call : late)
    call.done(fail(ec::timeout, "no worker was free within {}",
                   format_duration(call.timeout)));
}

// -- poison -------------------------------------------------------------------

void worker_pool::blame(const std::string& body) {
  if (deaths_.size() >= deaths_max)
    deaths_.clear();
  ++deaths_[hash_of(body)];
}

bool worker_pool::is_poisoned(const std::string& body) const {
  if (deaths_.empty())
    return false;
  auto found = deaths_.find(hash_of(body));
  return found != deaths_.end() && found->second >= limits_.poison_max;
}

} // namespace pm::calls
