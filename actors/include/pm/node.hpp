#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/fwd.hpp>

#include <pm/actors.hpp>
#include <pm/calls.hpp>
#include <pm/config.hpp>
#include <pm/config_diff.hpp>
#include <pm/event_loop.hpp>
#include <pm/keeper_host.hpp>
#include <pm/task.hpp>
#include <pm/usage.hpp>

namespace pm {

// How a node is opened.
struct node_options {
  std::string state_dir;   // empty: as `resolve_state_dir` finds it
  std::string name;        // empty: "node"
  std::string keeper_path; // empty: looked up beside this program
  std::string socket_path; // what children get as PM_SOCKET; may be empty
  // What to run; none leaves what is on record as it is.
  std::optional<node_config> config;
  // Without one: the configuration that a node before has accepted. What it
  // had not carried out is done now.
  std::optional<accepted_config> accepted;
  // The loop that the actor system lives on (`use_loop_scheduler`). Null: the
  // system has its own scheduler, and the node brings a loop, and a thread for
  // it and for its own actors.
  event_loop* loop = nullptr;
  call_pool_options calls;
  // An essential process has ended for good, and the node is to end in order;
  // on the loop's thread.
  std::function<void(const std::string&)> essential_ended;
  // Lines for the log of the program, with a level in front.
  std::function<void(const std::string&)> note;
};

// One state directory in use: its lock, its keeper, its registry and the
// manager of its processes. Embed it in any program with an actor system:
//
//   auto node = pm::node::open(system, {.state_dir = "/var/lib/myapp"});
//   self->request((*node)->manager(), caf::infinite, pm::list_atom::value,
//                 pm::list_filter{}).then(...);
//
// Several nodes, on different directories, can be open in one program. The
// host's signal handlers, SIGCHLD and wait(2) calls are left alone.
class node {
public:
  // Takes the directory's lock, connects to its keeper or starts one, loads
  // the registry, adopts what runs and starts what is wanted. Blocks for a few
  // milliseconds. Errors: locked, keeper_failed, storage_failed,
  // format_refused.
  static expected<std::unique_ptr<node>> open(caf::actor_system& system,
                                              node_options options);

  // Leaves what runs to the keeper, unless `shutdown` was done before. With a
  // loop of its own: from any thread but that one.
  virtual ~node() = default;

  // Where requests go. Valid as long as the node.
  virtual const manager_actor& manager() const = 0;

  virtual const std::string& state_dir() const = 0;

  // What the task of this handle id does, from its next start on. It is started
  // as every process is, by a definition of kind::task. Any thread.
  virtual std::function<void(bool)> define_task(const std::string& handle_id,
                                                task_plan plan) = 0;

  // Calls a function in a warm worker: of this program, by its registered name
  // (kind::function; `args` a JSON array), or of Python ("module:function";
  // `kwargs` a JSON object). `done` is called on the loop's thread. Gives what
  // withdraws the call. Any thread. Errors: call_failed (it raised, or its
  // worker died), timeout, cancelled, busy, invalid_argument, spawn_failed,
  // shutting_down.
  virtual std::function<void()>
  call_function(kind which, const call_spec& what,
                std::optional<milliseconds> timeout,
                std::function<void(expected<call_result>)> done) = 0;

  virtual int keeper_pid() const = 0;

  // Where actors come in that are to live on the loop's thread; null where all
  // do. Valid as long as the node.
  virtual caf::execution_unit* door() const = 0;

  // Measures the trees of runs. Valid as long as the node.
  virtual usage_meter& usage() const = 0;

  // Bytes of a live run's output that its log could not take. On the loop's
  // thread.
  virtual uint64_t dropped_bytes(const run_id& run) const = 0;

  // Has the keeper start this program again with `argv`, in this directory and
  // environment, when it dies without `goodbye`; see keeper_connection::ready.
  // For programs of their own, not for services that embed a node.
  virtual void respawn_with(std::vector<std::string> argv) = 0;

  // When this node is destroyed, the keeper goes on as the program `path`; see
  // keeper_connection::replace_keeper.
  virtual void replace_keeper(std::string path) = 0;

  // Makes this node's end a wanted one: when it is destroyed, the keeper is
  // told to end too as soon as it has nothing to hold.
  virtual void goodbye() = 0;
};

} // namespace pm
