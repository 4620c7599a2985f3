#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <pm/event_loop.hpp>
#include <pm/process_host.hpp>

// The process host that real nodes use: it asks the keeper of a state
// directory to spawn, and moves what the children write.

namespace pm {

struct keeper_options {
  std::string state_dir;
  std::string cgroup_home; // each run gets a group below; empty: none
  std::string keeper_path; // empty: $PM_KEEPER, beside this program, $PATH
  milliseconds start_deadline{5000};
  size_t spawn_queue_max = 8192; // frames that wait for the socket, or spawns
                                 // for a keeper
  size_t log_files_max = 64;     // open at once
  size_t stdin_max = 1u << 20;   // bytes of one `write_stdin`

  // Told in words about what went wrong and is not an answer to a call: a log
  // that cannot be written, a keeper that was lost. May be empty.
  std::function<void(const std::string&)> on_trouble;
};

// What the host holds and has done; for tests and the metrics.
struct host_counters {
  size_t runs = 0;            // known to this host
  size_t pipes = 0;           // output pipes that are open
  size_t log_files = 0;       // open log files
  size_t frames = 0;          // waiting for the keeper's socket
  uint64_t spawns = 0;        // asked of the keeper
  uint64_t exits = 0;         // told
  uint64_t log_bytes = 0;     // moved to logs
  uint64_t dropped_bytes = 0; // that no log could take
};

// How the keeper starts the program of this node again, with its descriptors
// 0, 1 and 2.
struct node_command {
  std::vector<std::string> argv;        // the first one with its whole path
  std::vector<std::string> environment; // "NAME=value", complete
  std::string working_dir;
};

// A run that is on record as alive; without a pid it was an intent only.
struct recorded_run {
  pm::run_id run_id;
  pm::identity identity;
  bool foreign = false; // its pipes are not ours
};

// The connection to a keeper. All calls belong to the loop's thread; events
// are told from the loop, never within a call. An adopted run does not tell
// `spawned`; one that had ended tells `exited` once its output has been taken.
// `argv` and `environment` are dropped once a run lives; a listener is let go
// of after the acknowledgement and the end of its pipes. Destroying it (not
// within an event) without `goodbye` leaves everything to the keeper: the
// children run on.
class keeper_connection : public process_host {
public:
  // The runs that the keeper knew when this connection was made; `spawn`,
  // `adopt` or `acknowledge` takes one off the list.
  virtual std::vector<held_run> held() const = 0;

  virtual int keeper_pid() const noexcept = 0;

  // False from the loss of the keeper to `reconnect`.
  virtual bool is_connected() const noexcept = 0;

  // This node serves: from now on the keeper, and any next one, starts it
  // again at once when its process dies without `goodbye`. A node that was
  // started so and dies before it says this counts as a failed start: the
  // keeper then waits, longer each time.
  virtual void ready(node_command how) = 0;

  // Tells the keeper that this node ends on purpose: once nothing lives and
  // all is acknowledged, it ends too.
  virtual void goodbye() = 0;

  // Asks the keeper to go on as the program `path` (absolute), which takes over
  // from handover_format, once this connection has ended. False if it is too
  // old for that.
  virtual bool replace_keeper(const std::string& path) = 0;

  // Looks for those of `all` that the keeper does not know, since both halves
  // have died: what is found, alive and proven or in the keeper's files, is on
  // the list of `held` from then on. Reads /proc, before the first `adopt`.
  virtual void recover(const std::vector<recorded_run>& all) = 0;

  // Sets what is called when the keeper has died or broken the protocol: it
  // has to call `reconnect`, until which spawns wait. Without it they fail
  // with keeper_failed. Live runs stay watched; the end of one is told as
  // `lost` if the kernel cannot tell how it was.
  virtual void on_lost(std::function<void(const error&)> fn) = 0;

  // Connects to a keeper, or starts one, after a loss, without waiting; `done`
  // is called from the loop. The keeper then gets all that lives; spawns that
  // wait are made, and those that the old keeper had not answered are settled.
  // When it fails they fail, and so does each spawn until the next call has
  // succeeded. Errors: keeper_failed.
  virtual void reconnect(std::function<void(expected<void>)> done) = 0;

  // Bytes of this run's output that its log could not take.
  virtual uint64_t dropped_bytes(const run_id& run) const = 0;

  virtual host_counters counters() const = 0;
};

// Connects to the keeper of `options.state_dir`, or starts one, and reads its
// table; waits up to the start deadline. The directory must exist and belong
// to the caller, who holds its lock. `loop` must outlive the result. Errors:
// keeper_failed, protocol_violation, system_failed.
expected<std::unique_ptr<keeper_connection>>
make_keeper_host(event_loop& loop, keeper_options options);

} // namespace pm
