#include "actors/supervision.hpp"

#include <caf/send.hpp>

#include "actors/limit_policy.hpp"
#include "actors/probe_policy.hpp"

namespace pm {

namespace {

std::string absolute(const std::string& base, const std::string& path) {
  if (path.empty())
    return base;
  return path.front() == '/' ? path : base + "/" + path;
}

class run_relay : public run_events {
public:
  run_relay(supervisor_actor to, run_id run)
    : to_(std::move(to)), run_(run.str()) {}

  void spawned(const identity& who, timestamp at) override {
    caf::anon_send(to_, spawned_atom::value, run_, who, at);
  }

  void spawn_failed(const error& why) override {
    caf::anon_send(to_, refused_atom::value, run_, why);
  }

  void limited(const held_limits& held) override {
    caf::anon_send(to_, limit_atom::value, run_, held.memory, held.cpu);
  }

  void output(stream which, std::string chunk) override {
    caf::anon_send(to_, output_atom::value, run_, which, std::move(chunk));
  }

  void exited(run_exit how) override {
    caf::anon_send(to_, exited_atom::value, run_, std::move(how));
  }

  void group_gone() override {
    caf::anon_send(to_, group_gone_atom::value, run_);
  }

private:
  supervisor_actor to_;
  std::string run_;
};

} // namespace

timestamp wall_clock() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

std::string working_dir_of(const supervision& on, const process_spec& spec) {
  return absolute(on.working_dir, spec.working_dir);
}

std::string log_file_of(const supervision& on,
                        const process_definition& definition) {
  auto& file = definition.spec.log.file;
  return file.empty()
           ? fmt::format("{}/logs/{}.log", on.state_dir, definition.handle_id)
           : absolute(working_dir_of(on, definition.spec), file);
}

std::map<std::string, std::string> shown_environment(const process_spec& spec) {
  auto result = spec.environment;
  for (auto& name : spec.secrets)
    if (auto found = result.find(name); found != result.end())
      found->second = "***";
  return result;
}

bool becomes_another(const process_spec& spec) {
  return !spec.user.empty() || !spec.group.empty();
}

bool is_ready(const process_record& record) {
  auto& state = record.state;
  return state.status == status::running
         && (!has_readiness(record.definition.spec) || state.ready);
}

process_view make_view(const supervision& on, const process_record& record) {
  auto& [definition, state] = record;
  auto& spec = definition.spec;
  process_view view;
  view.handle_id = definition.handle_id;
  view.kind = spec.kind;
  view.status = state.status;
  view.ready = is_ready(record);
  view.health = state.health;
  view.probes = state.probes;
  view.notify_status = state.notify_status;
  if (state.identity.pid != 0 && spec.kind != kind::task)
    view.pid = state.identity.pid;
  view.run_id = state.run_id.str();
  view.correlation_id = state.asked.correlation_id;
  view.command =
    spec.call ? std::vector<std::string>{spec.call->name} : spec.command;
  view.created_at = definition.created_at;
  view.started_at = state.started_at;
  view.ended_at = state.ended_at;
  view.last_updated = state.last_updated;
  if (state.identity.pid != 0 && state.started_at)
    view.uptime = std::max(milliseconds{0}, on.now() - *state.started_at);
  if (state.exit) {
    view.exit_code = state.exit->code;
    if (state.exit->signal)
      view.exit_signal = signal_name(*state.exit->signal);
    view.reason = state.exit->reason;
  }
  if (state.outcome) {
    if (!state.outcome->value.text.empty())
      view.result = state.outcome->value;
    view.failure = state.outcome->failure;
  }
  view.cause = state.asked.cause;
  view.restart_count = state.restart_count;
  view.retry_at = state.retry_at;
  view.next_run_at = state.due_at;
  view.status_text = state.status_text;
  view.log_file = log_file_of(on, definition);
  view.working_dir = working_dir_of(on, spec);
  view.environment = shown_environment(spec);
  view.labels = spec.labels;
  view.origin = definition.origin;
  view.wanted = state.wanted;
  return view;
}

spawn_request make_spawn_request(const supervision& on,
                                 const process_record& record,
                                 const run_request* once) {
  auto& [definition, state] = record;
  auto& spec = definition.spec;
  static const std::map<std::string, std::string> nothing;
  auto is_whole =
    once != nullptr && !once->environment.empty() && !once->environment_on_top;
  auto& inherited = is_whole                 ? once->environment
                    : spec.clear_environment ? nothing
                                             : on.environment;
  auto variables = spec.environment; // before what is inherited
  if (once != nullptr && once->environment_on_top)
    for (auto& [name, value] : once->environment)
      variables.insert_or_assign(name, value);
  variables["PM_HANDLE_ID"] = definition.handle_id;
  variables["PM_RUN_ID"] = state.run_id.str();
  variables["PM_CORRELATION_ID"] = state.asked.correlation_id;
  if (!on.socket_path.empty())
    variables["PM_SOCKET"] = on.socket_path;
  if (wants_notify(spec))
    variables["NOTIFY_SOCKET"] = on.notify->path(becomes_another(spec));
  if (spec.watchdog)
    variables["WATCHDOG_USEC"] =
      std::to_string(std::chrono::microseconds{*spec.watchdog}.count());
  if (spec.replica > 0)
    variables["PM_REPLICA"] = std::to_string(spec.replica);
  spawn_request request;
  request.run_id = state.run_id;
  request.handle_id = definition.handle_id;
  request.kind = spec.kind;
  request.argv = spec.command;
  request.environment.reserve(inherited.size() + variables.size());
  for (auto& [name, value] : inherited)
    if (!variables.contains(name))
      request.environment.push_back(name + "=" + value);
  for (auto& [name, value] : variables)
    request.environment.push_back(name + "=" + value);
  request.working_dir = working_dir_of(on, spec);
  request.user = spec.user;
  request.group = spec.group;
  request.umask = spec.umask;
  request.nice = spec.nice;
  request.limits = spec.limits;
  request.allowed = limits_of(spec);
  request.log_file = log_file_of(on, definition);
  request.log_rules = spec.log;
  request.protect = spec.log.protect;
  return request;
}

std::shared_ptr<run_events> make_run_relay(supervisor_actor to, run_id run) {
  return std::make_shared<run_relay>(std::move(to), run);
}

} // namespace pm
