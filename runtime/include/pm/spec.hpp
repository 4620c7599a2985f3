#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pm/policy_spec.hpp>
#include <pm/status.hpp>
#include <pm/units.hpp>

// What is to be run and how it is to be treated. Defaults stand here and
// nowhere else.

namespace pm {

// At most `burst` starts within `interval`; one more ends in `failed`.
struct start_limit {
  int burst = 5;
  milliseconds interval{10'000};

  bool operator==(const start_limit&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("burst", x.burst), field("interval_ms", x.interval));
  }
};

// One signal of a stop, and how long it is waited for.
struct stop_step {
  int signal = 15;
  milliseconds timeout{10'000};

  bool operator==(const stop_step&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("signal", x.signal), field("timeout_ms", x.timeout));
  }
};

// How a stop is done: `command` if there is one, then `signal`, then what
// `then` says, and SIGKILL after the last timeout; the signals to whom `kill`
// says.
struct shutdown_spec {
  int signal = 15;
  milliseconds timeout{10'000};
  kill_mode kill = kill_mode::tree;
  std::vector<stop_step> then;
  std::vector<std::string> command; // argv; has `timeout` to end the process

  bool operator==(const shutdown_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("signal", x.signal), field("timeout_ms", x.timeout),
                 field("kill_mode", x.kill), field("then", x.then),
                 field("command", x.command));
  }
};

// One resource limit (setrlimit(2)); no value means unlimited.
struct resource_limit {
  std::string name; // as in "nofile", "core", "as"
  std::optional<uint64_t> soft;
  std::optional<uint64_t> hard;

  bool operator==(const resource_limit&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("name", x.name), field("soft", x.soft),
                 field("hard", x.hard));
  }
};

// How rotated logs are kept.
#define PM_COMPRESSIONS(X) X(none) X(gzip)
PM_ENUM(compression, PM_COMPRESSIONS)

struct log_spec {
  // Empty: `<state-dir>/logs/<handle_id>.log`. A relative path is relative to
  // the working directory.
  std::string file;
  // Gives the child spare read ends of its own output pipes, so that it
  // outlives both halves of pm.
  bool protect = true;
  // A file that is this large, or this old, is rotated away; so many rotated
  // ones are kept, and none that is older than `age_max`. None: never.
  std::optional<uint64_t> size_max; // bytes
  std::optional<milliseconds> rotate_every;
  std::optional<milliseconds> age_max;
  int files_max = 5;
  compression compress = compression::none;

  bool operator==(const log_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("file", x.file), field("protect", x.protect),
      field("size_max", x.size_max), field("rotate_every_ms", x.rotate_every),
      field("age_max_ms", x.age_max), field("files_max", x.files_max),
      field("compress", x.compress));
  }
};

// What a process of the kinds `function` and `python` calls.
struct call_spec {
  std::string name;        // of the function; of Python's: "module:function"
  std::string library;     // the plugin that has it; empty: the program itself
  std::string args;        // a JSON array; empty: none
  std::string kwargs;      // a JSON object; empty: none
  std::string interpreter; // empty: python3
  std::vector<std::string> python_path;

  bool operator==(const call_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("name", x.name), field("library", x.library),
                 field("args", x.args), field("kwargs", x.kwargs),
                 field("interpreter", x.interpreter),
                 field("python_path", x.python_path));
  }
};

// A process as it was defined.
struct process_spec {
  pm::kind kind = pm::kind::command;
  std::vector<std::string> command; // argv; argv[0] is looked up in PATH
  std::optional<call_spec> call;    // instead of a command
  std::string working_dir;          // empty: the node's
  std::map<std::string, std::string> environment;
  std::string env_file; // already merged into `environment`
  bool clear_environment = false;
  std::string user;  // a name or a number; empty: the node's
  std::string group; // a name or a number; empty: the user's
  std::optional<int> umask;
  std::optional<int> nice;
  std::vector<resource_limit> limits;
  bool autostart = true;
  int replica = 0; // 1..K for a member of a replicated process
  restart_mode restart = restart_mode::on_failure;
  // Absent: the first restart in a row is at once, the next ones begin at
  // 100 ms. Given: the first one waits for it too.
  std::optional<milliseconds> restart_delay;
  milliseconds restart_delay_max{30'000};
  double restart_factor = 2.0;
  double restart_jitter = 0.0;              // 0..1, share of the delay
  milliseconds restart_reset_after{10'000}; // a run this long clears the count
  pm::start_limit start_limit;
  std::vector<int> success_exit_codes{0};
  std::vector<int> success_signals;
  shutdown_spec shutdown;
  log_spec log;
  std::map<std::string, dependency> depends_on; // by handle id
  std::vector<probe_spec> probes;               // one of each role at most
  std::optional<milliseconds> watchdog; // restart if WATCHDOG=1 is overdue
  std::vector<hook_spec> hooks;         // one of each moment at most
  std::optional<schedule_spec> schedule;
  std::optional<uint64_t> memory_limit; // bytes, of the whole tree
  std::optional<double> cpu_limit;      // cores, of the whole tree
  bool essential = false;               // the node ends with it
  std::vector<std::string> secrets;     // variables that no view shows
  std::map<std::string, std::string> labels;

  bool operator==(const process_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("kind", x.kind), field("command", x.command), field("call", x.call),
      field("working_dir", x.working_dir), field("environment", x.environment),
      field("env_file", x.env_file),
      field("clear_environment", x.clear_environment), field("user", x.user),
      field("group", x.group), field("umask", x.umask), field("nice", x.nice),
      field("limits", x.limits), field("autostart", x.autostart),
      field("replica", x.replica), field("restart", x.restart),
      field("restart_delay_ms", x.restart_delay),
      field("restart_delay_max_ms", x.restart_delay_max),
      field("restart_factor", x.restart_factor),
      field("restart_jitter", x.restart_jitter),
      field("restart_reset_after_ms", x.restart_reset_after),
      field("start_limit", x.start_limit),
      field("success_exit_codes", x.success_exit_codes),
      field("success_signals", x.success_signals),
      field("shutdown", x.shutdown), field("log", x.log),
      field("depends_on", x.depends_on), field("probes", x.probes),
      field("watchdog_ms", x.watchdog), field("hooks", x.hooks),
      field("schedule", x.schedule), field("memory_limit", x.memory_limit),
      field("cpu_limit", x.cpu_limit), field("essential", x.essential),
      field("secrets", x.secrets), field("labels", x.labels));
  }
};

} // namespace pm
