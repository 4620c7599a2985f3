#include "registry/config/process_reader.hpp"

#include <pm/json.hpp>

#include "registry/config/call_reader.hpp"
#include "registry/config/env_file.hpp"
#include "registry/config/hook_reader.hpp"
#include "registry/config/probe_reader.hpp"
#include "registry/config/schedule_reader.hpp"
#include "registry/config/schema_check.hpp"
#include "registry/config/value_formats.hpp"
#include "runtime/os/names.hpp"

namespace pm::config {

namespace {

struct reading {
  process_reading& to;
  std::string_view handle_id;
  reader_context& context;

  void report(const node& at, std::string_view key, std::string text) {
    context.problems.add(
      *at.from, at.offset,
      fmt::format("'{}' of process {}: {}", key, in_quotes(handle_id), text));
  }
};

// One key of an object, and how it is read.
struct key_row {
  std::string_view name;
  void (*read)(const node&, reading&);
};

template <size_t N>
void read_rows(const key_row (&rows)[N], const node& x, reading& r) {
  if (x.is(node_type::object))
    for (auto& row : rows)
      if (auto* member = x.find(row.name); member != nullptr && !member->broken)
        row.read(*member, r);
}

void take(const node& x, std::string& to) {
  if (x.is(node_type::string))
    to = x.text;
}

void take(const node& x, bool& to) {
  if (x.is(node_type::boolean))
    to = x.boolean;
}

void take(const node& x, double& to) {
  if (x.is(node_type::integer) || x.is(node_type::number))
    to = x.number;
}

void take(const node& x, int& to) {
  if (x.is(node_type::integer) && x.integer == static_cast<int>(x.integer))
    to = static_cast<int>(x.integer);
}

void take(const node& x, milliseconds& to) {
  if (!x.is(node_type::string))
    return;
  if (auto duration = parse_duration(x.text))
    to = *duration;
}

// A size: a number of bytes, or a text as "64KiB".
void take(const node& x, uint64_t& to) {
  if (x.is(node_type::integer))
    to = static_cast<uint64_t>(x.integer);
  else if (x.is(node_type::string))
    to = parse_size(x.text).value_or(0);
}

template <class T>
void take(const node& x, std::optional<T>& to) {
  take(x, to.emplace());
}

template <named_enum Enum>
void take(const node& x, Enum& to) {
  if (!x.is(node_type::string))
    return;
  if (auto value = from_name<Enum>(x.text))
    to = *value;
}

void take(const node& x, std::map<std::string, std::string>& to) {
  if (x.is(node_type::object))
    for (auto& member : x.children)
      if (member.is(node_type::string))
        to.insert_or_assign(member.key, member.text);
}

// The strings of an array, or the one string.
std::vector<const node*> strings_of(const node& x) {
  std::vector<const node*> result;
  if (x.is(node_type::string))
    result.push_back(&x);
  if (x.is(node_type::array))
    for (auto& child : x.children)
      if (child.is(node_type::string))
        result.push_back(&child);
  return result;
}

// A command line of the key `key`.
void read_words(const node& x, reading& r, std::string_view key,
                std::vector<std::string>& command) {
  if (x.is(node_type::string)) {
    command = {"/bin/sh", "-c", x.text};
    return;
  }
  for (auto* word : strings_of(x))
    command.push_back(word->text);
  if (!command.empty() && command[0].empty())
    r.report(x.children[0], fmt::format("{}[0]", key),
             "the program's name is empty");
}

void read_command(const node& x, reading& r) {
  read_words(x, r, "command", r.to.spec.command);
}

void read_env_file(const node& x, reading& r) {
  for (auto* name : strings_of(x)) {
    auto path = join_path(x.from->dir(), name->text);
    auto file = r.context.files.read(path, path);
    if (!file) {
      r.report(
        *name, "env_file",
        fmt::format("cannot read {}: {}", in_quotes(path), file.error().text));
      continue;
    }
    read_env_text(*file->text, r.to.spec.environment, r.context.problems);
    auto& all = r.to.spec.env_file;
    all += (all.empty() ? "" : ":") + path;
  }
}

void read_account(const node& x, reading& r, std::string_view key,
                  std::string& to) {
  take(x, to);
  if (to.empty() || !r.context.check_users)
    return;
  auto user = key == "user" ? to : std::string{};
  auto group = key == "group" ? to : std::string{};
  if (!needs_name_service(user, group))
    return;
  if (auto known = resolve_credentials(user, group); !known)
    r.report(x, key, known.error().text);
}

std::optional<uint64_t> limit_of(const node& x) {
  if (x.is(node_type::integer))
    return static_cast<uint64_t>(x.integer);
  auto value = parse_limit(x.text);
  return value ? *value : std::nullopt;
}

constexpr std::string_view limit_keys[] = {"soft", "hard"};

void read_limits(const node& x, reading& r) {
  if (!x.is(node_type::object))
    return;
  for (auto& member : x.children) {
    if (member.broken || !rlimit_number(member.key))
      continue;
    auto* soft = member.find(limit_keys[0]);
    auto* hard = member.find(limit_keys[1]);
    auto both = soft != nullptr && hard != nullptr;
    if (member.is(node_type::object) && !both)
      continue;
    resource_limit limit{member.key, limit_of(both ? *soft : member),
                         limit_of(both ? *hard : member)};
    if (limit.hard.value_or(UINT64_MAX) < limit.soft.value_or(UINT64_MAX))
      r.report(member, "limits." + member.key,
               "the soft limit is above the hard one");
    r.to.spec.limits.push_back(std::move(limit));
  }
}

constexpr key_row start_limit_rows[] = {
  {"burst", [](auto& x, auto& r) { take(x, r.to.spec.start_limit.burst); }},
  {"interval",
   [](auto& x, auto& r) {
     take(x, r.to.spec.start_limit.interval);
     if (r.to.spec.start_limit.interval.count() <= 0)
       r.report(x, "start_limit.interval",
                fmt::format("\"{}\": must be longer than 0", x.text));
   }},
};

constexpr std::string_view stop_step_keys[] = {"signal", "timeout"};

void read_stop_steps(const node& x, reading& r) {
  if (!x.is(node_type::array))
    return;
  for (auto& child : x.children) {
    stop_step step;
    if (auto* name = child.find(stop_step_keys[0]))
      if (auto number = parse_signal(name->text))
        step.signal = *number;
    if (auto* timeout = child.find(stop_step_keys[1]))
      take(*timeout, step.timeout);
    r.to.spec.shutdown.then.push_back(step);
  }
}

constexpr key_row shutdown_rows[] = {
  {"signal",
   [](auto& x, auto& r) {
     if (auto number = parse_signal(x.text))
       r.to.spec.shutdown.signal = *number;
   }},
  {"timeout", [](auto& x, auto& r) { take(x, r.to.spec.shutdown.timeout); }},
  {"kill_mode", [](auto& x, auto& r) { take(x, r.to.spec.shutdown.kill); }},
  {"then", read_stop_steps},
  {"command",
   [](auto& x, auto& r) {
     read_words(x, r, "shutdown.command", r.to.spec.shutdown.command);
   }},
};

constexpr key_row log_rows[] = {
  {"file",
   [](auto& x, auto& r) {
     take(x, r.to.spec.log.file);
     if (r.to.spec.log.file.ends_with('/'))
       r.report(x, "log.file",
                fmt::format("{} is a directory", in_quotes(x.text)));
   }},
  {"protect", [](auto& x, auto& r) { take(x, r.to.spec.log.protect); }},
  {"size_max", [](auto& x, auto& r) { take(x, r.to.spec.log.size_max); }},
  {"rotate_every",
   [](auto& x, auto& r) { take(x, r.to.spec.log.rotate_every); }},
  {"files_max", [](auto& x, auto& r) { take(x, r.to.spec.log.files_max); }},
  {"age_max", [](auto& x, auto& r) { take(x, r.to.spec.log.age_max); }},
  {"compress", [](auto& x, auto& r) { take(x, r.to.spec.log.compress); }},
};

void read_success_exit_codes(const node& x, reading& r) {
  if (!x.is(node_type::array))
    return;
  r.to.spec.success_exit_codes.clear();
  for (auto& child : x.children)
    if (child.is(node_type::integer))
      take(child, r.to.spec.success_exit_codes.emplace_back());
    else if (auto number = parse_signal(child.text))
      r.to.spec.success_signals.push_back(*number);
}

void read_secrets(const node& x, reading& r) {
  for (auto* name : strings_of(x))
    r.to.spec.secrets.push_back(name->text);
}

void read_working_dir(const node& x, reading& r) {
  if (x.is(node_type::string))
    r.to.spec.working_dir = join_path(x.from->dir(), x.text);
}

#define PM_TAKE(key, member)                            \
  key_row {                                             \
    key, [](auto& x, auto& r) { take(x, r.to.member); } \
  }

// Read by functions of their own, which see several together.
void read_later(const node&, reading&) {}

// In this order: environment comes over env_file.
constexpr key_row process_rows[] = {
  {"command", read_command},
  {"function", read_later},
  {"library", read_later},
  {"python", read_later},
  {"args", read_later},
  {"kwargs", read_later},
  {"interpreter", read_later},
  {"python_path", read_later},
  {"startup_probe", read_later},
  {"readiness_probe", read_later},
  {"liveness_probe", read_later},
  {"working_dir", read_working_dir},
  {"env_file", read_env_file},
  PM_TAKE("environment", spec.environment),
  PM_TAKE("clear_environment", spec.clear_environment),
  {"user",
   [](auto& x, auto& r) { read_account(x, r, "user", r.to.spec.user); }},
  {"group",
   [](auto& x, auto& r) { read_account(x, r, "group", r.to.spec.group); }},
  {"umask", [](auto& x, auto& r) { r.to.spec.umask = parse_umask(x.text); }},
  PM_TAKE("nice", spec.nice),
  {"limits", read_limits},
  PM_TAKE("autostart", spec.autostart),
  PM_TAKE("replicas", replicas),
  PM_TAKE("restart", spec.restart),
  PM_TAKE("restart_delay", spec.restart_delay),
  PM_TAKE("restart_delay_max", spec.restart_delay_max),
  PM_TAKE("restart_factor", spec.restart_factor),
  PM_TAKE("restart_jitter", spec.restart_jitter),
  PM_TAKE("restart_reset_after", spec.restart_reset_after),
  {"start_limit", [](auto& x, auto& r) { read_rows(start_limit_rows, x, r); }},
  {"success_exit_codes", read_success_exit_codes},
  {"depends_on",
   [](auto& x, auto& r) {
     r.to.needs = read_depends_on(x, r.handle_id, r.to.spec.depends_on,
                                  r.context.problems);
   }},
  {"shutdown", [](auto& x, auto& r) { read_rows(shutdown_rows, x, r); }},
  {"log", [](auto& x, auto& r) { read_rows(log_rows, x, r); }},
  {"watchdog",
   [](auto& x, auto& r) {
     take(x, r.to.spec.watchdog);
     if (x.is(node_type::string) && r.to.spec.watchdog->count() <= 0)
       r.report(x, "watchdog",
                fmt::format("\"{}\": must be longer than 0", x.text));
   }},
  {"hooks", read_later},
  {"schedule", read_later},
  PM_TAKE("memory_limit", spec.memory_limit),
  {"cpu_limit",
   [](auto& x, auto& r) { // a number, or a text as "50%"
     r.to.spec.cpu_limit = parse_cores(x.text).value_or(x.number);
   }},
  PM_TAKE("essential", spec.essential),
  {"secrets", read_secrets},
  PM_TAKE("labels", spec.labels),
};

#undef PM_TAKE

template <size_t N>
std::vector<std::string_view> names_of(const key_row (&rows)[N]) {
  std::vector<std::string_view> names;
  for (auto& row : rows)
    names.push_back(row.name);
  return names;
}

// A delay above the most that it may grow to: a mistake if both were written.
void check_delays(const node& x, reading& r) {
  auto& spec = r.to.spec;
  if (!spec.restart_delay || *spec.restart_delay <= spec.restart_delay_max)
    return;
  if (x.find("restart_delay_max") != nullptr)
    r.report(*x.find("restart_delay"), "restart_delay",
             fmt::format("{} is above restart_delay_max, {}",
                         format_duration(*spec.restart_delay),
                         format_duration(spec.restart_delay_max)));
  else
    spec.restart_delay_max = *spec.restart_delay;
}

} // namespace

process_reading read_process(const node& x, std::string_view handle_id,
                             const std::string& base_dir,
                             reader_context& context) {
  process_reading result;
  result.spec.working_dir = base_dir;
  reading r{result, handle_id, context};
  read_rows(process_rows, x, r);
  auto report = [&r](const node& at, std::string_view key, std::string text) {
    r.report(at, key, std::move(text));
  };
  read_call(x, result.spec, report);
  read_probes(x, result.spec, report);
  read_hooks(x, result.spec, report);
  read_schedule(x, result.spec, report);
  check_delays(x, r);
  return result;
}

std::vector<std::string_view> keys_read(std::string_view object) {
  const std::map<std::string_view, std::vector<std::string_view>> keys{
    {"process", names_of(process_rows)},
    {"start_limit", names_of(start_limit_rows)},
    {"shutdown", names_of(shutdown_rows)},
    {"stop_step", {std::begin(stop_step_keys), std::end(stop_step_keys)}},
    {"dependency", dependency_keys()},
    {"log", names_of(log_rows)},
    {"limit", {std::begin(limit_keys), std::end(limit_keys)}},
    {"hooks", hook_keys()},
    {"schedule", schedule_keys()},
  };
  auto found = keys.find(object);
  return found == keys.end() ? std::vector<std::string_view>{} : found->second;
}

} // namespace pm::config
