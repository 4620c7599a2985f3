#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pm/fields.hpp>
#include <pm/units.hpp>

// What a process depends on, how its health is asked for, and when it is to
// run. Defaults stand here and nowhere else.

namespace pm {

// What must hold of another process before this one starts.
//   started    it runs
//   ready      it is ready to serve
//   healthy    its liveness probe says so
//   completed  it has ended with success
// clang-format off
#define PM_DEPENDENCY_CONDITIONS(X) \
  X(started) X(ready) X(healthy) X(completed)
// clang-format on
PM_ENUM(dependency_condition, PM_DEPENDENCY_CONDITIONS)

struct dependency {
  dependency_condition condition = dependency_condition::started;
  bool restart = false; // restart with it
  bool stop = false;    // stop with it

  bool operator==(const dependency&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("condition", x.condition), field("restart", x.restart),
                 field("stop", x.stop));
  }
};

// What a probe decides.
//   startup    the others wait until it has succeeded; its failure is a failed
//              start
//   readiness  whether it is ready to serve
//   liveness   its failure restarts the process
#define PM_PROBE_ROLES(X) X(startup) X(readiness) X(liveness)
PM_ENUM(probe_role, PM_PROBE_ROLES)

// How a probe asks.
//   exec      a command that exits 0
//   http_get  an answer with a status of 200 to 399
//   tcp       a connection is accepted
//   notify    the process says READY=1 (sd_notify(3))
//   log_line  a line of its output matches `pattern`
#define PM_PROBE_KINDS(X) X(exec) X(http_get) X(tcp) X(notify) X(log_line)
PM_ENUM(probe_kind, PM_PROBE_KINDS)

struct probe_spec {
  probe_role role = probe_role::readiness;
  probe_kind kind = probe_kind::exec;
  std::vector<std::string> command; // exec: argv
  std::string host = "127.0.0.1";   // tcp, http_get
  int port = 0;
  std::string path = "/"; // http_get
  std::map<std::string, std::string> headers;
  std::string pattern; // log_line: a POSIX extended regular expression
  milliseconds period{10'000};
  milliseconds timeout{1'000};
  milliseconds initial_delay{0};
  int success_count = 1; // successes in a row that turn it good
  int failure_count = 3; // failures in a row that turn it bad

  bool operator==(const probe_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("role", x.role), field("kind", x.kind),
                 field("command", x.command), field("host", x.host),
                 field("port", x.port), field("path", x.path),
                 field("headers", x.headers), field("pattern", x.pattern),
                 field("period_ms", x.period), field("timeout_ms", x.timeout),
                 field("initial_delay_ms", x.initial_delay),
                 field("success_count", x.success_count),
                 field("failure_count", x.failure_count));
  }
};

// When a hook runs.
//   pre_start   before each run; its failure is a failed start
//   post_start  when the run has begun
//   pre_stop    before the stop signal
//   post_stop   when the run is over
// clang-format off
#define PM_HOOK_MOMENTS(X) \
  X(pre_start) X(post_start) X(pre_stop) X(post_stop)
// clang-format on
PM_ENUM(hook_moment, PM_HOOK_MOMENTS)

struct hook_spec {
  hook_moment moment = hook_moment::pre_start;
  std::vector<std::string> command; // argv
  milliseconds timeout{30'000};     // SIGKILL after that; it has failed then

  bool operator==(const hook_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("moment", x.moment), field("command", x.command),
                 field("timeout_ms", x.timeout));
  }
};

// What is done when a run is due and the one before has not ended.
//   skip     that time is left out
//   queue    it runs right after, once
//   replace  the one before is stopped first
#define PM_OVERLAP_POLICIES(X) X(skip) X(queue) X(replace)
PM_ENUM(overlap_policy, PM_OVERLAP_POLICIES)

// What is done about the times that passed while no node was there.
#define PM_MISSED_POLICIES(X) X(skip) X(run_once)
PM_ENUM(missed_policy, PM_MISSED_POLICIES)

// When a process is started, again and again. Either `cron` or `interval`.
struct schedule_spec {
  std::string cron; // five fields, as crontab(5)
  std::optional<milliseconds> interval;
  std::string timezone; // of `cron`, as "Europe/Berlin"; empty: UTC
  overlap_policy overlap = overlap_policy::skip;
  missed_policy missed = missed_policy::skip;

  bool operator==(const schedule_spec&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("cron", x.cron), field("interval_ms", x.interval),
                 field("timezone", x.timezone), field("overlap", x.overlap),
                 field("missed", x.missed));
  }
};

} // namespace pm
