#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pm/call.hpp>
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

// Who asked for something, and why it was done.
struct asker {
  pm::cause cause = pm::cause::user;
  std::string correlation_id;
  int uid = -1; // of the asking program; -1: this one
  int pid = 0;
  std::string program; // its name, as the kernel has it
  timestamp at;

  bool operator==(const asker&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("cause", x.cause),
                 field("correlation_id", x.correlation_id), field("uid", x.uid),
                 field("pid", x.pid), field("program", x.program),
                 field("at", x.at));
  }
};

// One run that is over, or never began.
struct ended_run {
  std::string handle_id;
  pm::run_id run_id;
  int pid = 0; // 0: it never began
  std::optional<timestamp> started_at;
  timestamp ended_at;
  exit_status exit;
  asker started;              // who asked for it
  std::optional<asker> ended; // who asked for its end; none: it ended itself
  std::string text;           // why, where the rest does not say it

  bool operator==(const ended_run&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("run_id", x.run_id),
                 field("pid", x.pid), field("started_at", x.started_at),
                 field("ended_at", x.ended_at), field("exit", x.exit),
                 field("started", x.started), field("ended", x.ended),
                 field("text", x.text));
  }
};

// What a probe has last answered.
struct probe_report {
  probe_role role = probe_role::readiness;
  health verdict = health::unchecked; // by its counts
  std::string text;                   // the last answer, in words
  timestamp at;                       // when it came
  int successes = 0;                  // in a row
  int failures = 0;

  bool operator==(const probe_report&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("role", x.role), field("verdict", x.verdict),
                 field("text", x.text), field("at", x.at),
                 field("successes", x.successes),
                 field("failures", x.failures));
  }
};

// The durable part that changes during a life.
struct process_state {
  pm::status status = pm::status::pending;
  bool wanted = false;    // up is what was last asked for
  bool held_down = false; // stopped by a person: stays down until started
  bool foreign = false;   // begun by another program; its output is not ours
  bool removable = false; // a `run`: its record goes when it is delivered
  std::optional<milliseconds> time_limit; // of a `run`, for its process
  asker asked;                            // the last start or end
  asker run_asked;                        // the start of the run
  pm::run_id run_id;                      // nil before the first run
  pm::identity identity; // of the run; pid 0 while there is none
  std::optional<timestamp> started_at;
  std::optional<timestamp> ended_at;
  std::optional<exit_status> exit;     // of the last ended run
  std::optional<call_outcome> outcome; // of it, if it was a call
  bool ready = false;                  // of a run with probes for it
  pm::health health = pm::health::unchecked;
  std::vector<probe_report> probes;     // of the run
  std::string notify_status;            // of the run: its last STATUS=
  int restart_count = 0;                // restarts by policy since defined
  int failures = 0;                     // in a row; what the backoff grows by
  std::optional<timestamp> retry_at;    // when a restart is due
  std::vector<timestamp> recent_starts; // within start_limit's interval
  std::optional<timestamp> due_at;      // by its schedule: the next run
  bool awaits_due = false;              // pending until then
  bool due_again = false;               // a run follows the one under way
  timestamp last_updated;
  std::string status_text; // why, where the status alone does not say it

  bool operator==(const process_state&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("status", x.status), field("wanted", x.wanted),
      field("held_down", x.held_down), field("foreign", x.foreign),
      field("removable", x.removable), field("time_limit_ms", x.time_limit),
      field("asked", x.asked), field("run_asked", x.run_asked),
      field("run_id", x.run_id), field("identity", x.identity),
      field("started_at", x.started_at), field("ended_at", x.ended_at),
      field("exit", x.exit), field("outcome", x.outcome),
      field("ready", x.ready), field("health", x.health),
      field("probes", x.probes), field("notify_status", x.notify_status),
      field("restart_count", x.restart_count), field("failures", x.failures),
      field("retry_at", x.retry_at), field("recent_starts", x.recent_starts),
      field("due_at", x.due_at), field("awaits_due", x.awaits_due),
      field("due_again", x.due_again), field("last_updated", x.last_updated),
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
  std::optional<json_text> result;     // of a call that returned
  std::optional<call_failure> failure; // of one that did not
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
  std::optional<int> processes; // of the tree, and what they have together
  std::optional<int> threads;
  std::optional<int> descriptors;
  std::optional<uint64_t> dropped_bytes; // that the log could not take
  std::vector<probe_report> probes;
  std::string notify_status; // what it last said of itself, with STATUS=
  std::optional<timestamp> next_run_at; // by its schedule

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
      field("result", x.result), field("failure", x.failure),
      field("cause", x.cause), field("restart_count", x.restart_count),
      field("retry_at", x.retry_at), field("status_text", x.status_text),
      field("log_file", x.log_file), field("working_dir", x.working_dir),
      field("environment", x.environment), field("labels", x.labels),
      field("origin", x.origin), field("wanted", x.wanted),
      field("cpu_percent", x.cpu_percent), field("rss_bytes", x.rss_bytes),
      field("processes", x.processes), field("threads", x.threads),
      field("descriptors", x.descriptors),
      field("dropped_bytes", x.dropped_bytes), field("probes", x.probes),
      field("notify_status", x.notify_status),
      field("next_run_at", x.next_run_at));
  }
};

// Why a process is as it is.
struct process_reasons {
  process_view process;
  asker asked;                    // the last start or end
  asker run_asked;                // the start of the run
  std::vector<ended_run> history; // the newest first

  bool operator==(const process_reasons&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("process", x.process), field("asked", x.asked),
                 field("run_asked", x.run_asked), field("history", x.history));
  }
};

// What a node found of a run that was alive for the node before it.
//   adopted      it lives, and goes on
//   ended        it ended meanwhile, and how is known
//   lost         it ended meanwhile, and nobody can say how
//   never_began  the node before had not got to it
// clang-format off
#define PM_RUN_FATES(X) X(adopted) X(ended) X(lost) X(never_began)
// clang-format on
PM_ENUM(run_fate, PM_RUN_FATES)

struct recovered_run {
  std::string handle_id;
  pm::run_id run_id;
  int pid = 0;
  run_fate fate = run_fate::adopted;
  std::optional<exit_status> exit; // with `ended`
  uint64_t keeper_bytes = 0;       // of its output, moved while no node lived

  bool operator==(const recovered_run&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("run_id", x.run_id),
                 field("pid", x.pid), field("fate", x.fate),
                 field("exit", x.exit), field("keeper_bytes", x.keeper_bytes));
  }
};

// What a node found when it began.
struct recovery_report {
  bool clean = true; // the node before had ended in order
  uint64_t records_replayed = 0;
  uint64_t bytes_cut = 0;                  // of writes that never ended
  std::vector<std::string> registry_lines; // damage, in words
  std::vector<std::string> kept_aside;     // the new names of damaged files
  std::vector<recovered_run> runs;

  bool operator==(const recovery_report&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("clean", x.clean),
                 field("records_replayed", x.records_replayed),
                 field("bytes_cut", x.bytes_cut),
                 field("registry_lines", x.registry_lines),
                 field("kept_aside", x.kept_aside), field("runs", x.runs));
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
  std::optional<call_outcome> outcome; // of a call
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
                 field("outcome", x.outcome), field("duration_ms", x.duration));
  }
};

// One change of one process, as told to subscribers: of its status, of its
// readiness or health (`from` is `to` then), or what is worth a word. Numbered
// from 1 for each node's life, without gaps.
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
  bool ready = false;
  pm::health health = pm::health::unchecked;

  bool operator==(const process_event&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("seq", x.seq), field("time", x.time),
                 field("handle_id", x.handle_id), field("run_id", x.run_id),
                 field("correlation_id", x.correlation_id),
                 field("from", x.from), field("to", x.to),
                 field("cause", x.cause), field("pid", x.pid),
                 field("exit", x.exit), field("text", x.text),
                 field("ready", x.ready), field("health", x.health));
  }
};

} // namespace pm
