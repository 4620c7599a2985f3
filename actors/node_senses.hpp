#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/supervision.hpp"

namespace pm {

// What a node's supervisors learn of their processes by. Lives on the loop.
struct node_senses {
  std::unique_ptr<prober> probes;
  std::unique_ptr<notifier> notify;
  std::unique_ptr<usage_meter> usage;
  std::unique_ptr<oom_witness> oom;

  // Opens them on `loop`; `keeper_pid` is asked on its thread.
  void open(event_loop& loop, const std::string& state_dir,
            std::function<void(const std::string&)> note,
            std::function<int()> keeper_pid) {
    probes = make_loop_prober(loop);
    notify = make_loop_notifier(loop, state_dir, std::move(note));
    // A lost keeper's orphans went to init.
    usage = make_loop_meter(loop, [keeper_pid = std::move(keeper_pid)] {
      return std::vector<int>{keeper_pid(), 1};
    });
    oom = make_oom_witness();
  }

  void lend(supervision& to) const {
    to.probes = probes.get();
    to.notify = notify.get();
    to.usage = usage.get();
    to.oom = oom.get();
  }
};

} // namespace pm
