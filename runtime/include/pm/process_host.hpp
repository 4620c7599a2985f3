#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pm/ids.hpp>
#include <pm/record.hpp>
#include <pm/run_limits.hpp>

// The seam between supervision and the operating system. The keeper's client
// (`keeper_host`) is the real one; tests use `fake_host`.

namespace pm {

#define PM_OUTPUT_MODES(X) X(log) X(capture) X(stream)
// Where a run's output goes.
//   log      to `log_file`, moved by the host, never seen by an actor
//   capture  kept in memory, to `capture_max` bytes a stream
//   stream   told chunk by chunk with `run_events::output`, under credit
PM_ENUM(output_mode, PM_OUTPUT_MODES)

class unique_fd;

// What to run, with all look-ups by configuration done.
struct spawn_request {
  pm::run_id run_id;
  std::string handle_id;
  pm::kind kind = pm::kind::command;
  std::vector<std::string> argv;        // not empty, no NUL inside
  std::vector<std::string> environment; // "NAME=value", complete
  std::string working_dir;              // empty: the keeper's
  std::string user;                     // a name or a number; empty: the node's
  std::string group;
  std::optional<int> umask;
  std::optional<int> nice;
  std::vector<resource_limit> limits;
  run_limits allowed;      // enforced only as far as `run_events::limited` says
  bool stdin_pipe = false; // else /dev/null
  std::shared_ptr<unique_fd> input; // the child's stdin instead of either
  output_mode output = output_mode::log;
  std::string log_file; // absolute; used with output_mode::log
  log_spec log_rules;   // how that file is rotated; its `file` is not used
  bool protect = true;
  size_t capture_max = 16u << 20;

  // With `adopt`: who the run is, should the keeper not know it, and whether
  // another program began it, so that its pipes are not ours.
  pm::identity identity;
  bool foreign = false;
};

// How a run ended, as the host saw it.
struct run_exit {
  exit_status exit;
  timestamp at;
  bool group_alive = false; // others of its process group live on
  bool over_memory = false; // the kernel killed it for its `allowed` memory
  std::optional<call_failure> failure; // of a task that threw
  std::string stdout_text;             // with output_mode::capture
  std::string stderr_text;
  bool stdout_cut = false;
  bool stderr_cut = false;

  bool operator==(const run_exit&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(
      field("exit", x.exit), field("at", x.at),
      field("group_alive", x.group_alive), field("over_memory", x.over_memory),
      field("failure", x.failure), field("stdout", x.stdout_text),
      field("stderr", x.stderr_text), field("stdout_cut", x.stdout_cut),
      field("stderr_cut", x.stderr_cut));
  }
};

// What a run has written, with output_mode::capture.
struct run_output {
  std::string stdout_text;
  std::string stderr_text;
  bool stdout_cut = false; // more was written than `capture_max`
  bool stderr_cut = false;
};

// A run that the keeper knows from before this node was there.
struct held_run {
  pm::run_id run_id;
  pm::identity identity;
  std::optional<run_exit> ended; // it ended, and nobody has acknowledged it
  uint64_t keeper_bytes = 0;     // of its output, moved while no node lived
};

// What a host tells about one run. Called on the loop's thread, in the order
// spawned (or spawn_failed), output..., exited, group_gone; limited before
// exited.
class run_events {
public:
  virtual ~run_events() = default;

  // Exec has succeeded.
  virtual void spawned(const identity& who, timestamp at) = 0;

  // The run never began; nothing else follows. The text names the stage, the
  // value and errno's words.
  virtual void spawn_failed(const error& why) = 0;

  // The kernel holds the run to these of its limits. Follows `spawned`, an
  // adoption and `process_host::limit`; not told: to none.
  virtual void limited(const held_limits&) {}

  // A chunk of output (output_mode::stream only).
  virtual void output(stream which, std::string chunk) = 0;

  // The process has ended and all that it had written has been moved. Follows
  // the exit at once, even if a descendant still holds the pipes.
  virtual void exited(run_exit how) = 0;

  // After `watch_group`: nobody of the process group is left.
  virtual void group_gone() = 0;
};

// Whom a signal is for: the process alone, its process group, or all of its
// descendants as well.
#define PM_SIGNAL_SCOPES(X) X(one_process) X(whole_group) X(whole_tree)
PM_ENUM(signal_scope, PM_SIGNAL_SCOPES)

// Spawns, signals, feeds and watches runs. All calls return at once; what
// comes of them is told through `run_events`. Calls may come from any thread
// that the implementation's documentation allows. A call about an unknown run
// does nothing: its end has been told already.
class process_host {
public:
  virtual ~process_host() = default;

  // Begins a run. Repeating a run id is answered from what it became.
  virtual void spawn(spawn_request what, std::shared_ptr<run_events> to) = 0;

  // Takes over a run that `held` listed, or that lives and is proven by
  // `what.identity`: it is watched, and its output moves to `what.log_file`
  // again (`argv` and `environment` are not used). Of any other run the end is
  // told, as lost.
  virtual void adopt(spawn_request what, std::shared_ptr<run_events> to) = 0;

  // Sends a signal to what the run's pidfd names, its group, or its tree. From
  // the first signal to the tree on, the group of a run (`group_alive`,
  // `group_gone`) means its tree.
  virtual void signal(const run_id& run, int number, signal_scope scope) = 0;

  // Asks for one `group_gone`.
  virtual void watch_group(const run_id& run) = 0;

  // Queues bytes for the child's stdin. `done` tells whether they were
  // written (on the loop's thread); one write at a time for each run.
  virtual void write_stdin(const run_id& run, std::string bytes,
                           std::function<void(expected<void>)> done) = 0;

  // Closes the child's stdin after all queued bytes.
  virtual void close_stdin(const run_id& run) = 0;

  // Gives what a live run has written up to now, and forgets it
  // (output_mode::capture; on the loop's thread). Nothing of a run that is over
  // or unknown: `exited` has it.
  virtual void collect(const run_id& run,
                       std::function<void(run_output)> done) = 0;

  // Gives back credit for streamed output; see `stream_window`.
  virtual void consumed(const run_id& run, stream which, size_t bytes) = 0;

  // Other limits from now on, instead of those that it was spawned with.
  virtual void limit(const run_id& run, const run_limits& allowed) = 0;

  // The exit is durable: nobody needs to remember the run any longer.
  virtual void acknowledge(const run_id& run) = 0;
};

// Output told and not yet given back by `consumed`, at most, for each stream;
// the pipe fills up behind it and the child waits.
constexpr size_t stream_window = 256u << 10;

} // namespace pm
