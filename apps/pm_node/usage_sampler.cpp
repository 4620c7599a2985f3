#include "apps/pm_node/usage_sampler.hpp"

#include <pm/json_fields.hpp>

namespace pm {

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::chrono::minutes reading_age_max{10};

double percent(microseconds used, std::chrono::nanoseconds span) {
  using seconds = std::chrono::duration<double>;
  return span.count() <= 0 || used.count() < 0
           ? 0.0
           : 100.0 * (seconds{used} / seconds{span});
}

// One process of a tree, as it is shown.
struct shown_member {
  int pid = 0;
  int parent_pid = 0;
  std::string name;
  std::string state;
  int threads = 0;
  uint64_t rss_bytes = 0;
  std::optional<double> cpu_percent; // none at the first look

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("pid", x.pid), field("parent_pid", x.parent_pid),
                 field("name", x.name), field("state", x.state),
                 field("threads", x.threads), field("rss_bytes", x.rss_bytes),
                 field("cpu_percent", x.cpu_percent));
  }
};

} // namespace

// Used on the meter's thread only.
struct usage_sampler::readings {
  struct reading {
    microseconds cpu{0};
    steady::time_point at;
  };

  // A pid with its start time names one process.
  using process = std::pair<int, uint64_t>;

  std::map<std::string, reading> runs;  // by run id, of the last ten minutes
  std::map<process, reading> processes; // the same

  void fill(process_view& view, const run_usage& usage,
            steady::time_point now) {
    view.rss_bytes = usage.rss_bytes;
    view.processes = usage.processes;
    view.threads = usage.threads;
    view.descriptors = usage.descriptors;
    auto before = runs.find(view.run_id);
    if (before == runs.end())
      view.cpu_percent =
        percent(usage.cpu, view.uptime.value_or(milliseconds{0}));
    else
      view.cpu_percent =
        percent(usage.cpu - before->second.cpu, now - before->second.at);
    runs[view.run_id] = {usage.cpu, now};
  }

  std::string tree(const run_usage& usage, steady::time_point now) {
    std::vector<shown_member> all;
    for (auto& x : usage.members) {
      shown_member shown{x.pid,     x.parent_pid, x.name, {x.state},
                         x.threads, x.rss_bytes,  {}};
      auto [known, is_new] =
        processes.try_emplace({x.pid, x.start_ticks}, reading{x.cpu, now});
      if (!is_new) {
        shown.cpu_percent =
          percent(x.cpu - known->second.cpu, now - known->second.at);
        known->second = {x.cpu, now};
      }
      all.push_back(std::move(shown));
    }
    rapidjson::StringBuffer buffer;
    json::writer out{buffer};
    json::write(out, all);
    return {buffer.GetString(), buffer.GetSize()};
  }

  void forget_old(steady::time_point now) {
    auto is_old = [&](auto& x) { return now - x.second.at > reading_age_max; };
    std::erase_if(runs, is_old);
    std::erase_if(processes, is_old);
  }
};

usage_sampler::usage_sampler(usage_meter& meter)
  : readings_(std::make_shared<readings>()), meter_(meter) {}

void usage_sampler::submit(std::vector<process_view> views, bool with_trees,
                           completion done) {
  auto shared = std::make_shared<std::vector<process_view>>(std::move(views));
  usage_question what;
  what.descriptors = true;
  what.members = with_trees;
  std::vector<size_t> rows; // whose roots these are
  for (size_t i = 0; i < shared->size(); ++i) {
    auto& view = (*shared)[i];
    auto run = run_id::parse(view.run_id);
    if (!view.pid || !run)
      continue;
    what.roots.push_back({*run, *view.pid, 0});
    rows.push_back(i);
  }
  meter_.ask(
    std::move(what), [=, kept = readings_](const usage_meter::answer& usages) {
      auto now = steady::now();
      std::vector<std::string> trees(with_trees ? shared->size() : 0, "[]");
      for (size_t i = 0; i < rows.size(); ++i) {
        if (!usages[i])
          continue; // it ended just now
        kept->fill((*shared)[rows[i]], *usages[i], now);
        if (with_trees)
          trees[rows[i]] = kept->tree(*usages[i], now);
      }
      kept->forget_old(now);
      done(std::move(*shared), std::move(trees));
    });
}

} // namespace pm
