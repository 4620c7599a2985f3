#include "actors/stop_command.hpp"

#include <caf/send.hpp>

namespace pm {

namespace {

// What is kept of its output, for the reason of a failure.
constexpr size_t output_max = 4096;

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

class command_relay : public run_events {
public:
  command_relay(supervisor_actor to, run_id run)
    : to_(std::move(to)), run_(run.str()) {}

  void spawned(const identity&, timestamp) override {
    // Its end is what counts.
  }

  void spawn_failed(const error& why) override { tell(why.text); }

  void output(stream, std::string) override {
    // It is captured, not streamed.
  }

  void exited(run_exit how) override {
    auto good = how.exit.reason == exit_reason::exited && how.exit.code == 0;
    auto said = first_line(how.stderr_text);
    tell(good ? std::string{}
              : describe(how.exit) + (said.empty() ? "" : ": " + said));
  }

  void group_gone() override {
    // Nobody asked.
  }

private:
  void tell(std::string text) {
    caf::anon_send(to_, command_atom::value, run_, std::move(text));
  }

  supervisor_actor to_;
  std::string run_;
};

} // namespace

run_id begin_stop_command(const supervision& on, const process_record& record,
                          const supervisor_actor& to) {
  auto request = make_spawn_request(on, record, {});
  auto run = run_id::make(on.now());
  request.run_id = run;
  request.handle_id += ":stop";
  request.argv = record.definition.spec.shutdown.command;
  request.output = output_mode::capture;
  request.capture_max = output_max;
  request.protect = false;
  auto pid = record.state.identity.pid;
  request.environment.push_back("PM_MAIN_PID=" + std::to_string(pid));
  on.host->spawn(std::move(request), std::make_shared<command_relay>(to, run));
  return run;
}

} // namespace pm
