#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pm/ids.hpp>
#include <pm/spec.hpp>

// What is known about a process: what is kept on disk, and what is shown.

namespace pm {

// What a live run is known by; a pid alone names nobody.
struct identity {
  int pid = 0;
  uint64_t start_ticks = 0; // /proc/PID/stat field 22
  std::string boot_id;      // /proc/sys/kernel/random/boot_id

  bool operator==(const identity&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("pid", x.pid), field("start_ticks", x.start_ticks),
                 field("boot_id", x.boot_id));
  }
};

// The durable part that changes during a life.
struct process_state {
  pm::status status = pm::status::pending;
  bool wanted = false;    // up is what was last asked for
  bool held_down = false; // stopped by a person: stays down until started
  bool removable = false; // a `run`: its record goes when it is delivered
  pm::cause cause = pm::cause::user; // of the last start or end
  std::string correlation_id;
  pm::run_id run_id;     // nil before the first run
  pm::identity identity; // of the run; pid 0 while there is none
  std::optional<timestamp> started_at;
  std::optional<timestamp> ended_at;
  std::optional<exit_status> exit;      // of the last ended run
  int restart_count = 0;                // restarts by policy since defined
  int failures = 0;                     // in a row; what the backoff grows by
  std::optional<timestamp> retry_at;    // when a restart is due
  std::vector<timestamp> recent_starts; // within start_limit's interval
  timestamp last_updated;
  std::string status_text; // why, where the status alone does not say it

  bool operator==(const process_state&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("status", x.status), field("wanted", x.wanted),
      field("held_down", x.held_down), field("removable", x.removable),
      field("cause", x.cause), field("correlation_id", x.correlation_id),
      field("run_id", x.run_id), field("identity", x.identity),
      field("started_at", x.started_at), field("ended_at", x.ended_at),
      field("exit", x.exit), field("restart_count", x.restart_count),
      field("failures", x.failures), field("retry_at", x.retry_at),
      field("recent_starts", x.recent_starts),
      field("last_updated", x.last_updated),
      field("status_text", x.status_text));
  }
};

// The durable part that only a new definition changes.
struct process_definition {
  std::string handle_id;
  pm::origin origin = pm::origin::adhoc;
  timestamp created_at;
  process_spec spec;

  bool operator==(const process_definition&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("origin", x.origin),
                 field("created_at", x.created_at), field("spec", x.spec));
  }
};

// All that the registry keeps about one process.
struct process_record {
  process_definition definition;
  process_state state;

  bool operator==(const process_record&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("definition", x.definition), field("state", x.state));
  }
};

// A process as `list` and `show` give it; absent is null.
struct process_view {
  std::string handle_id;
  pm::kind kind = pm::kind::command;
  pm::status status = pm::status::pending;
  bool ready = false;
  pm::health health = pm::health::unchecked;
  std::optional<int> pid;
  std::string run_id;
  std::string correlation_id;
  std::vector<std::string> command;
  timestamp created_at;
  std::optional<timestamp> started_at;
  std::optional<timestamp> ended_at;
  timestamp last_updated;
  std::optional<milliseconds> uptime;
  std::optional<int> exit_code;
  std::optional<std::string> exit_signal; // "TERM"
  std::optional<exit_reason> reason;
  pm::cause cause = pm::cause::user;
  int restart_count = 0;
  std::optional<timestamp> retry_at;
  std::string status_text;
  std::string log_file;
  std::string working_dir;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> labels;
  pm::origin origin = pm::origin::adhoc;
  bool wanted = false;
  std::optional<double> cpu_percent;
  std::optional<uint64_t> rss_bytes;

  bool operator==(const process_view&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("handle_id", x.handle_id), field("kind", x.kind),
      field("status", x.status), field("ready", x.ready),
      field("health", x.health), field("pid", x.pid), field("run_id", x.run_id),
      field("correlation_id", x.correlation_id), field("command", x.command),
      field("created_at", x.created_at), field("started_at", x.started_at),
      field("ended_at", x.ended_at), field("last_updated", x.last_updated),
      field("uptime_ms", x.uptime), field("exit_code", x.exit_code),
      field("exit_signal", x.exit_signal), field("exit_reason", x.reason),
      field("cause", x.cause), field("restart_count", x.restart_count),
      field("retry_at", x.retry_at), field("status_text", x.status_text),
      field("log_file", x.log_file), field("working_dir", x.working_dir),
      field("environment", x.environment), field("labels", x.labels),
      field("origin", x.origin), field("wanted", x.wanted),
      field("cpu_percent", x.cpu_percent), field("rss_bytes", x.rss_bytes));
  }
};

// What `run` gives back.
struct process_result {
  std::string handle;
  std::string stdout_text;
  std::string stderr_text;
  bool stdout_cut = false; // more was written than the limit allowed
  bool stderr_cut = false;
  exit_status exit;
  milliseconds duration{0};

  bool success() const noexcept {
    return exit.reason == exit_reason::exited && exit.code == 0;
  }

  bool operator==(const process_result&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle", x.handle), field("stdout", x.stdout_text),
                 field("stderr", x.stderr_text),
                 field("stdout_cut", x.stdout_cut),
                 field("stderr_cut", x.stderr_cut), field("exit", x.exit),
                 field("duration_ms", x.duration));
  }
};

// One change of one process, as told to subscribers. Numbered from 1 for each
// node's life, without gaps.
struct process_event {
  uint64_t seq = 0;
  timestamp time;
  std::string handle_id;
  std::string run_id;
  std::string correlation_id;
  pm::status from = pm::status::pending;
  pm::status to = pm::status::pending;
  pm::cause cause = pm::cause::user;
  std::optional<int> pid;
  std::optional<exit_status> exit;
  std::string text;

  bool operator==(const process_event&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("seq", x.seq), field("time", x.time),
                 field("handle_id", x.handle_id), field("run_id", x.run_id),
                 field("correlation_id", x.correlation_id),
                 field("from", x.from), field("to", x.to),
                 field("cause", x.cause), field("pid", x.pid),
                 field("exit", x.exit), field("text", x.text));
  }
};

} // namespace pm
