#pragma once

#include <map>

#include <pm/oom.hpp>
#include <pm/usage.hpp>

namespace pm::test {

// A meter that measures nothing: the test says what runs use.
class fake_meter : public usage_meter {
public:
  struct watched {
    usage_root root;
    std::function<void(const run_usage&)> tell;
  };

  void ask(usage_question what, std::function<void(answer)> done) override {
    done(answer(what.roots.size()));
  }

  void watch(usage_root root,
             std::function<void(const run_usage&)> tell) override {
    runs[root.run_id] = {root, std::move(tell)};
  }

  void forget(const run_id& run) override { runs.erase(run); }

  // The one run that is watched uses this now. False: none is.
  bool say(uint64_t rss_bytes, std::chrono::microseconds cpu = {}) {
    if (runs.size() != 1)
      return false;
    run_usage usage;
    usage.processes = 1;
    usage.rss_bytes = rss_bytes;
    usage.cpu = cpu;
    runs.begin()->second.tell(usage);
    return true;
  }

  std::map<run_id, watched> runs;
};

// A witness that says what the test gave it.
class fake_witness : public oom_witness {
public:
  oom_mark mark() override { return {}; }

  std::string words(int, const oom_mark&) override {
    ++asked;
    return said;
  }

  std::string said;
  int asked = 0;
};

} // namespace pm::test
