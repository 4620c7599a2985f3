#include <csignal>

#include <pm/json.hpp>

#include "registry/config/config_source.hpp"
#include "registry/migrate/old_entry.hpp"

// processes.json as it was before it had a format number.

namespace pm::migrate {

namespace {

constexpr std::string_view prefix = "handle";

const std::vector<std::string_view> fields{
  "handle_id", "process_type", "created_at",  "command_or_func",
  "pid",       "log_file",     "working_dir", "env_vars",
  "status",    "exit_code",    "last_updated"};

const std::vector<std::string_view> kept{
  "process_type", "created_at", "pid", "status", "exit_code", "last_updated"};

constexpr std::string_view function_field = "command_or_func";

struct type_row {
  std::string_view name;
  pm::kind kind;
};

constexpr type_row types[] = {
  {"cli_command", kind::command},
  {"python_function", kind::python},
  {"async_task", kind::task},
};

struct status_row {
  std::string_view name;
  bool running;
};

constexpr status_row statuses[] = {
  {"starting", true},   {"running", true},  {"stopping", true},
  {"pending", false},   {"stopped", false}, {"completed", false},
  {"finished", false},  {"exited", false},  {"failed", false},
  {"error", false},     {"crashed", false}, {"killed", false},
  {"cancelled", false}, {"timeout", false},
};

void read_type(old_entry& in, process_spec& spec) {
  auto name = in.text("process_type", need::value).value_or("");
  for (auto& row : types)
    if (row.name == name) {
      spec.kind = row.kind;
      return;
    }
  in.refuse_value("process_type",
                  "\"cli_command\", \"python_function\" or \"async_task\"");
}

// A string runs under sh -c, as in the config; an array is an argv.
void read_command(old_entry& in, process_spec& spec) {
  auto* x = in.find(function_field, need::value);
  if (x == nullptr)
    return;
  if (x->IsString()) {
    auto line = in.text(function_field, need::value);
    if (line && line->empty())
      in.refuse(function_field, "empty");
    spec.command = {"/bin/sh", "-c", line.value_or("")};
  } else if (x->IsArray()) {
    spec.command = in.texts(function_field, false);
    if (!spec.command.empty() && spec.command[0].empty())
      in.refuse(function_field, "the program's name is empty");
  } else {
    in.refuse_value(function_field, "a string or an array of strings");
  }
}

void read_function(old_entry& in, old_process& to) {
  auto& spec = to.definition.spec;
  auto name = in.text(function_field, need::value);
  if (name && name->empty())
    in.refuse(function_field, "empty");
  in.keep(prefix, {function_field}, spec);
  to.notes.push_back(fmt::format(
    "it cannot be started again from its record: a {} is only kept by name, "
    "as label {}.{}",
    to_string(spec.kind), prefix, function_field));
}

void read_environment(old_entry& in, process_spec& spec) {
  constexpr std::string_view field = "env_vars";
  auto* x = in.find(field, need::field);
  if (x == nullptr)
    return;
  if (!x->IsObject())
    return in.refuse_value(field, "an object of strings");
  for (auto& member : x->GetObject()) {
    std::string name{member.name.GetString(), member.name.GetStringLength()};
    if (!member.value.IsString())
      return in.refuse(field, fmt::format("the value of {} is not a string",
                                          config::in_quotes(name)));
    std::string value{member.value.GetString(), member.value.GetStringLength()};
    if (name.empty() || name.find('=') != std::string::npos)
      return in.refuse(field, fmt::format("{} is not a variable's name",
                                          config::in_quotes(name)));
    if ((name + value).find('\0') != std::string::npos)
      return in.refuse(field, fmt::format("{}: a NUL byte cannot be passed on",
                                          config::in_quotes(name)));
    if (!spec.environment.emplace(name, value).second)
      return in.refuse(
        field, fmt::format("{} is given twice", config::in_quotes(name)));
  }
}

void read_working_dir(old_entry& in, old_process& to) {
  auto dir = in.text("working_dir", need::field);
  if (!dir || dir->empty())
    return;
  if (dir->front() == '/') {
    to.definition.spec.working_dir = *dir;
    return;
  }
  in.keep(prefix, {"working_dir"}, to.definition.spec);
  to.notes.push_back(fmt::format(
    "working_dir {} is relative, and the file does not tell to which "
    "directory: it is only kept as label {}.working_dir",
    config::in_double_quotes(*dir), prefix));
}

// A negative code is the signal that ended it.
std::optional<exit_status> read_exit(old_entry& in, bool running) {
  constexpr std::string_view field = "exit_code";
  auto code = in.whole_number(field, running ? need::nothing : need::field);
  if (!code)
    return std::nullopt;
  if (*code > 255 || *code < -SIGRTMAX)
    in.refuse_value(field, "an exit code: 0 to 255, or -N for signal N");
  if (running)
    return std::nullopt; // of a run before this one
  if (*code < 0)
    return exit_status{exit_reason::signaled, std::nullopt, -*code};
  return exit_status{exit_reason::exited, *code, std::nullopt};
}

old_run read_run(old_entry& in, pm::kind what) {
  old_run run;
  auto status = in.text("status", need::value).value_or("");
  auto known = false;
  for (auto& row : statuses)
    if (row.name == status) {
      known = true;
      run.running = row.running;
    }
  if (!known)
    in.refuse_value("status", "a known one, such as \"running\", \"stopped\", "
                              "\"completed\" or \"failed\"");
  run.in_program = what == kind::task;
  run.pid = in.pid(run.running ? need::field : need::nothing);
  run.started_at = in.time("created_at", need::value).value_or(timestamp{});
  auto updated = in.time("last_updated", need::field);
  run.exit = read_exit(in, run.running);
  if (!run.running)
    run.ended_at = updated;
  return run;
}

} // namespace

bool looks_like_handle(const json::value& in) {
  return in.IsObject()
         && (in.HasMember("handle_id") || in.HasMember("process_type")
             || in.HasMember("command_or_func"));
}

expected<old_process> read_handle(const json::value& in,
                                  const std::string& name) {
  old_entry entry{in, fields};
  old_process result;
  auto& spec = result.definition.spec;
  auto own_name = entry.text("handle_id", need::value);
  if (own_name && *own_name != name)
    entry.refuse_value("handle_id",
                       fmt::format("its key, {}", config::in_quotes(name)));
  read_type(entry, spec);
  if (spec.kind == kind::command)
    read_command(entry, spec);
  else
    read_function(entry, result);
  auto log_file = entry.text("log_file", need::field);
  read_working_dir(entry, result);
  read_environment(entry, spec);
  result.run = read_run(entry, spec.kind);
  if (!entry.problem().empty())
    return fail(ec::format_refused, "{}", entry.problem());
  if (spec.kind == kind::command)
    if (auto ok = check_spec(spec); !ok)
      return tl::make_unexpected(ok.error());
  result.definition.created_at = result.run.started_at;
  entry.keep(prefix, kept, spec);
  place_log_file(log_file, prefix, result);
  return result;
}

} // namespace pm::migrate
