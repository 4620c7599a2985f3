#include "actors/probe_command.hpp"

#include <caf/send.hpp>

namespace pm {

namespace {

// What is kept of its output, for `show`.
constexpr size_t output_max = 4096;

class probe_relay : public run_events {
public:
  probe_relay(supervisor_actor to, uint64_t role, uint64_t probing)
    : to_(std::move(to)), role_(role), probing_(probing) {}

  void spawned(const identity&, timestamp) override {
    // Its end is what counts.
  }

  void spawn_failed(const error& why) override { tell(false, why.text); }

  void output(stream, std::string) override {
    // It is captured, not streamed.
  }

  void exited(run_exit how) override {
    auto good = how.exit.reason == exit_reason::exited && how.exit.code == 0;
    auto& said = how.stderr_text.empty() ? how.stdout_text : how.stderr_text;
    auto line = said.substr(0, said.find('\n'));
    tell(good, describe(how.exit) + (line.empty() ? "" : ": " + line));
  }

  void group_gone() override {
    // Nobody asked.
  }

private:
  void tell(bool good, std::string text) {
    caf::anon_send(to_, probe_atom::value, role_, probing_, good,
                   std::move(text), uint64_t{0});
  }

  supervisor_actor to_;
  uint64_t role_;
  uint64_t probing_;
};

} // namespace

run_id begin_probe_command(const supervision& on, const process_record& record,
                           const probe_spec& probe, uint64_t probing,
                           const supervisor_actor& to) {
  auto request = make_spawn_request(on, record, {});
  auto run = run_id::make(on.now());
  request.run_id = run;
  request.handle_id += ":probe";
  request.kind = kind::command;
  request.argv = probe.command;
  request.output = output_mode::capture;
  request.capture_max = output_max;
  request.protect = false;
  request.environment.push_back("PM_MAIN_PID="
                                + std::to_string(record.state.identity.pid));
  on.host->spawn(std::move(request),
                 std::make_shared<probe_relay>(
                   to, static_cast<uint64_t>(probe.role), probing));
  return run;
}

} // namespace pm
