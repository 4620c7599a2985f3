#pragma once

#include <pm/event_loop.hpp>
#include <pm/process_host.hpp>

namespace pm {

// Brings calls from any thread to the loop that a host lives on: supervisors
// on another scheduler use their host through it. A spawn or a write that
// finds the loop's bounded inbox full is refused with `busy`; what follows up
// on a run (signals, credit, acknowledgements) always goes through, since its
// number is bounded by the runs there are.
class host_bridge : public process_host {
public:
  host_bridge(event_loop& loop, process_host& host)
    : loop_(loop), host_(host) {}

  void spawn(spawn_request what, std::shared_ptr<run_events> to) override;
  void adopt(spawn_request what, std::shared_ptr<run_events> to) override;
  void signal(const run_id& run, int number, signal_scope scope) override;
  void watch_group(const run_id& run) override;
  void write_stdin(const run_id& run, std::string bytes,
                   std::function<void(expected<void>)> done) override;
  void close_stdin(const run_id& run) override;
  void collect(const run_id& run,
               std::function<void(run_output)> done) override;
  void consumed(const run_id& run, stream which, size_t bytes) override;
  void limit(const run_id& run, const run_limits& allowed) override;
  void acknowledge(const run_id& run) override;

private:
  event_loop& loop_;
  process_host& host_;
};

} // namespace pm
