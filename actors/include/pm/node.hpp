#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/fwd.hpp>

#include <pm/actors.hpp>
#include <pm/config.hpp>
#include <pm/config_diff.hpp>
#include <pm/event_loop.hpp>
#include <pm/keeper_host.hpp>

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
  // system has its own scheduler, and the node brings a loop and its thread.
  event_loop* loop = nullptr;
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

  virtual int keeper_pid() const = 0;

  // Has the keeper start this program again with `argv`, in this directory and
  // environment, when it dies without `goodbye`; see keeper_connection::ready.
  // For programs of their own, not for services that embed a node.
  virtual void respawn_with(std::vector<std::string> argv) = 0;

  // Makes this node's end a wanted one: when it is destroyed, the keeper is
  // told to end too as soon as it has nothing to hold.
  virtual void goodbye() = 0;
};

} // namespace pm
