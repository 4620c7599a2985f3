#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <pm/fields.hpp>

// The words for what a process is and how it fares (DESIGN: words).

namespace pm {

// What is run.
//   command   an external program
//   function  a C++ callable in a process of its own
//   python    a Python callable in a process of its own
//   task      something asynchronous inside the program
#define PM_KINDS(X) X(command) X(function) X(python) X(task)
PM_ENUM(kind, PM_KINDS)

// Where a process is in its life.
//   pending   waits for its dependencies or its schedule
//   starting  a spawn is under way
//   running   exec succeeded
//   stopping  asked to end, and not gone yet
//   stopped   ended as wanted, or never started
//   failed    ended otherwise, and no restart is due
//   backoff   ended, and a restart is due
//   unknown   its fate is being established
// clang-format off
#define PM_STATUSES(X) \
  X(pending) X(starting) X(running) X(stopping) X(stopped) X(failed) \
  X(backoff) X(unknown)
// clang-format on
PM_ENUM(status, PM_STATUSES)

#define PM_HEALTHS(X) X(unchecked) X(healthy) X(unhealthy)
PM_ENUM(health, PM_HEALTHS)

// How a run ended.
//   exited        by itself, with a code
//   signaled      by a signal
//   spawn_failed  it never began
//   timeout       it outlived its time limit and was ended for that
//   lost          nobody can say; never reported as code 0
// clang-format off
#define PM_EXIT_REASONS(X) \
  X(exited) X(signaled) X(spawn_failed) X(timeout) X(lost)
// clang-format on
PM_ENUM(exit_reason, PM_EXIT_REASONS)

// Why something was started or ended.
// clang-format off
#define PM_CAUSES(X) \
  X(user) X(config) X(policy) X(dependency) X(probe) X(watchdog) \
  X(memory_limit) X(schedule) X(shutdown)
// clang-format on
PM_ENUM(cause, PM_CAUSES)

// Who defined a process: the configuration file, or a request.
#define PM_ORIGINS(X) X(config) X(adhoc)
PM_ENUM(origin, PM_ORIGINS)

#define PM_RESTART_MODES(X) X(never) X(on_failure) X(always)
PM_ENUM(restart_mode, PM_RESTART_MODES)

// What a stop ends: the process alone, its process group, or all descendants.
#define PM_KILL_MODES(X) X(group) X(tree) X(process)
PM_ENUM(kill_mode, PM_KILL_MODES)

// Which of a child's outputs.
#define PM_STREAMS(X) X(stdout_stream) X(stderr_stream)
PM_ENUM(stream, PM_STREAMS)

// How a run ended. `code` is there for `exited`, `signal` for `signaled`, and
// either may be there for `timeout`.
struct exit_status {
  exit_reason reason = exit_reason::lost;
  std::optional<int> code;
  std::optional<int> signal;

  bool operator==(const exit_status&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("reason", x.reason), field("code", x.code),
                 field("signal", x.signal));
  }
};

// Says `x` in words: "exit 3", "signal 9 (KILL)", "lost".
std::string describe(const exit_status& x);

// True from the moment a spawn is decided until the run has been reaped.
constexpr bool is_alive(status x) noexcept {
  return x == status::starting || x == status::running || x == status::stopping
         || x == status::unknown;
}

} // namespace pm
