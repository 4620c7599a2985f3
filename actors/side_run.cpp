#include "actors/side_run.hpp"

#include <csignal>

#include "runtime/os/proc_environ.hpp"

namespace pm {

namespace {

// What is kept of its output, for its first line.
constexpr size_t output_max = 4096;

class side_run_relay : public run_events {
public:
  // `group_ends_on`: there the group of the run ends with it.
  side_run_relay(run_id run, side_run_done done, process_host* group_ends_on)
    : run_(run), done_(std::move(done)), host_(group_ends_on) {}

  void spawned(const identity&, timestamp) override {
    // Its end is what counts.
  }

  void spawn_failed(const error& why) override { done_(run_, false, why.text); }

  void output(stream, std::string) override {
    // It is captured, not streamed.
  }

  void exited(run_exit how) override {
    if (host_ != nullptr && how.group_alive)
      host_->signal(run_, SIGKILL, signal_scope::whole_group);
    auto good = how.exit.reason == exit_reason::exited && how.exit.code == 0;
    auto& said = how.stderr_text.empty() ? how.stdout_text : how.stderr_text;
    auto line = said.substr(0, said.find('\n'));
    done_(run_, good, describe(how.exit) + (line.empty() ? "" : ": " + line));
  }

  void group_gone() override {
    // Nobody asked.
  }

private:
  run_id run_;
  side_run_done done_;
  process_host* host_;
};

spawn_request make_side_request(const supervision& on,
                                const process_record& record,
                                std::string_view name,
                                const std::vector<std::string>& command) {
  auto request = make_spawn_request(on, record);
  request.run_id = run_id::make(on.now());
  request.handle_id += fmt::format(":{}", name);
  request.kind = kind::command;
  request.argv = command;
  request.protect = false;
  request.allowed = {};
  request.environment.push_back(
    fmt::format("{}={}", side_run_variable, request.run_id.str()));
  if (record.state.identity.pid != 0)
    request.environment.push_back(
      fmt::format("PM_MAIN_PID={}", record.state.identity.pid));
  return request;
}

run_id begin(const supervision& on, spawn_request request, side_run_done done,
             bool ends_group = false) {
  auto run = request.run_id;
  on.host->spawn(std::move(request),
                 std::make_shared<side_run_relay>(
                   run, std::move(done), ends_group ? on.host : nullptr));
  return run;
}

} // namespace

run_id begin_side_run(const supervision& on, const process_record& record,
                      std::string_view name,
                      const std::vector<std::string>& command,
                      side_run_done done, bool ends_group) {
  auto request = make_side_request(on, record, name, command);
  request.output = output_mode::capture;
  request.capture_max = output_max;
  return begin(on, std::move(request), std::move(done), ends_group);
}

std::function<cancel_probe(std::function<void(probe_answer)>)>
make_probe_command(std::shared_ptr<const supervision> on,
                   const process_record& record,
                   const std::vector<std::string>& command) {
  return [on = std::move(on), record, command](auto done) -> cancel_probe {
    // What it leaves behind would be more each time: it ends with it.
    auto run = begin_side_run(
      *on, record, "probe", command,
      [done](const run_id& ended, bool good, std::string text) {
        done({good, std::move(text), 0, ended});
      },
      true);
    return
      [on, run] { on->host->signal(run, SIGKILL, signal_scope::whole_tree); };
  };
}

run_id begin_hook_run(const supervision& on, const process_record& record,
                      const hook_spec& hook, side_run_done done) {
  auto name = to_string(hook.moment);
  auto request = make_side_request(on, record, name, hook.command);
  request.environment.push_back(fmt::format("PM_HOOK={}", name));
  return begin(on, std::move(request), std::move(done));
}

} // namespace pm
