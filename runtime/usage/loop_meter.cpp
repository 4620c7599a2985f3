#include <deque>
#include <unordered_map>
#include <utility>

#include <pm/usage.hpp>

#include "runtime/os/proc_environ.hpp"
#include "runtime/os/process_table.hpp"
#include "runtime/usage/tree_accounts.hpp"

namespace pm {

namespace {

std::string run_of(int pid) {
  if (read_process_variable(pid, side_run_variable))
    return {}; // a hook or a probe: it is beside the run
  return read_process_variable(pid, run_variable).value_or(std::string{});
}

void add_descriptors(usage_meter::answer& answer, bool keep_members) {
  for (auto& usage : answer) {
    if (!usage)
      continue;
    for (auto& x : usage->members)
      if (auto count = count_descriptors(x.pid))
        usage->descriptors = usage->descriptors.value_or(0) + *count;
    if (!keep_members)
      usage->members.clear();
  }
}

// One look at the system at a time; those who ask meanwhile wait for it.
class loop_meter : public usage_meter {
public:
  loop_meter(event_loop& loop, std::function<std::vector<int>()> reapers)
    : loop_(loop), reapers_(std::move(reapers)) {}

  ~loop_meter() override { *is_alive_ = false; }

  void ask(usage_question what, std::function<void(answer)> done) override {
    on_loop([this, x = question{std::move(what), std::move(done)}]() mutable {
      waiting_.push_back(std::move(x));
      begin_next();
    });
  }

  void watch(usage_root root,
             std::function<void(const run_usage&)> tell) override {
    on_loop([this, root, tell = std::move(tell)]() mutable {
      watched_[root.run_id] = {root, std::move(tell)};
      if (!timer_)
        arm();
    });
  }

  void forget(const run_id& run) override {
    on_loop([this, run] {
      watched_.erase(run);
      if (watched_.empty())
        timer_ = {};
    });
  }

private:
  struct question {
    usage_question what;
    std::function<void(answer)> done;
  };

  struct watched {
    usage_root root;
    std::function<void(const run_usage&)> tell;
  };

  template <class F>
  void on_loop(F f) {
    loop_.post([alive = is_alive_, f = std::move(f)]() mutable {
      if (*alive)
        f();
    });
  }

  void arm() {
    due_ = std::chrono::steady_clock::now() + usage_period;
    timer_ = loop_.timer_at(due_, [this] { sample_watched(); });
  }

  // From one due time to the next, so that samples do not drift.
  void sample_watched() {
    auto now = std::chrono::steady_clock::now();
    due_ = std::max(due_ + usage_period, now + usage_period / 2);
    timer_.arm(due_);
    if (std::exchange(is_sampling_, true))
      return; // a machine that is too slow for every second
    question x;
    for (auto& [run, one] : watched_)
      x.what.roots.push_back(one.root);
    x.done = [this, roots = x.what.roots](const answer& usages) {
      is_sampling_ = false;
      for (size_t i = 0; i < roots.size(); ++i)
        tell(roots[i].run_id, usages[i]);
    };
    waiting_.push_back(std::move(x));
    begin_next();
  }

  void tell(const run_id& run, const std::optional<run_usage>& usage) {
    auto found = watched_.find(run);
    if (found != watched_.end() && usage)
      found->second.tell(*usage);
  }

  void begin_next() {
    if (is_busy_ || waiting_.empty())
      return;
    is_busy_ = true;
    auto next = std::make_shared<question>(std::move(waiting_.front()));
    waiting_.pop_front();
    auto usages = std::make_shared<answer>();
    loop_.work(
      [accounts = accounts_, next, usages, reapers = reapers_()] {
        auto table = read_process_table();
        auto& what = next->what;
        tree_accounts::sample from{&table, reapers,
                                   std::chrono::steady_clock::now(), run_of};
        *usages =
          accounts->add_up(what.roots, from, what.members || what.descriptors);
        if (what.descriptors)
          add_descriptors(*usages, what.members);
      },
      [this, alive = is_alive_, next, usages] {
        if (!*alive)
          return;
        is_busy_ = false;
        next->done(std::move(*usages));
        begin_next();
      });
  }

  event_loop& loop_;
  std::function<std::vector<int>()> reapers_;
  // Of the one job that is under way.
  std::shared_ptr<tree_accounts> accounts_ = std::make_shared<tree_accounts>();
  std::deque<question> waiting_;
  std::unordered_map<run_id, watched, run_id_hash> watched_;
  loop_timer timer_; // while something is watched
  std::chrono::steady_clock::time_point due_;
  bool is_busy_ = false;
  bool is_sampling_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

} // namespace

std::unique_ptr<usage_meter>
make_loop_meter(event_loop& loop, std::function<std::vector<int>()> reapers) {
  return std::make_unique<loop_meter>(loop, std::move(reapers));
}

} // namespace pm
