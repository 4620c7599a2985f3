#include "actors/leftover_run.hpp"

#include <csignal>

#include "runtime/os/proc_environ.hpp"

namespace pm {

namespace {

class leftover_relay : public run_events {
public:
  leftover_relay(process_host& host, run_id run) : host_(host), run_(run) {}

  void spawned(const identity&, timestamp) override {
    // It lived before.
  }

  void spawn_failed(const error&) override { host_.acknowledge(run_); }

  void output(stream, std::string) override {
    // It is captured, not streamed.
  }

  void exited(run_exit) override { host_.acknowledge(run_); }

  void group_gone() override {
    // Nobody asked.
  }

private:
  process_host& host_;
  run_id run_;
};

bool is_side_run(const held_run& run) {
  return read_process_variable(run.identity.pid, side_run_variable)
         == run.run_id.str();
}

void end_leftover(process_host& host, const held_run& run) {
  spawn_request request;
  request.run_id = run.run_id;
  request.identity = run.identity;
  request.handle_id = "(left)";
  request.output = output_mode::capture;
  request.capture_max = 0;
  request.protect = false;
  host.adopt(std::move(request),
             std::make_shared<leftover_relay>(host, run.run_id));
  host.signal(run.run_id, SIGKILL, signal_scope::whole_tree);
}

} // namespace

void end_leftovers(keeper_connection& host) {
  for (auto& x : host.held())
    if (!x.ended && is_side_run(x))
      end_leftover(host, x);
}

} // namespace pm
