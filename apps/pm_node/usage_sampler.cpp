#include "apps/pm_node/usage_sampler.hpp"

#include <memory>

#include "runtime/os/proc.hpp"

namespace pm {

void usage_sampler::submit(std::vector<process_view> views, completion done) {
  auto shared = std::make_shared<std::vector<process_view>>(std::move(views));
  thread_.submit(
    [this, shared]() -> expected<void> {
      sample(*shared);
      return {};
    },
    [shared, done](const expected<void>&) { done(std::move(*shared)); });
}

void usage_sampler::sample(std::vector<process_view>& views) {
  auto now = std::chrono::time_point_cast<milliseconds>(
    std::chrono::system_clock::now());
  std::map<std::string, reading> next;
  for (auto& view : views) {
    if (!view.pid)
      continue;
    auto stat = read_process_stat(*view.pid);
    if (!stat)
      continue; // it ended just now
    view.rss_bytes = stat->rss_bytes;
    auto before = last_.find(view.run_id);
    auto since =
      before != last_.end() ? before->second.at : view.started_at.value_or(now);
    auto used = stat->cpu
                - (before != last_.end() ? before->second.cpu
                                         : std::chrono::microseconds{0});
    auto span = now - since;
    view.cpu_percent = span.count() <= 0
                         ? 0.0
                         : 100.0 * static_cast<double>(used.count())
                             / (1000.0 * static_cast<double>(span.count()));
    next[view.run_id] = {stat->cpu, now};
  }
  for (auto& [run, x] : last_)
    if (now - x.at < std::chrono::minutes{10})
      next.try_emplace(run, x);
  last_ = std::move(next);
}

} // namespace pm
