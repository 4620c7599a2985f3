#pragma once

#include <functional>
#include <map>
#include <string>

#include <pm/actors.hpp>
#include <pm/notify.hpp>
#include <pm/oom.hpp>
#include <pm/prober.hpp>
#include <pm/process_host.hpp>
#include <pm/usage.hpp>

// What all supervisors of one node share, and the pure functions on it.

namespace pm {

// Lives as long as the manager; the host outlives it.
struct supervision {
  process_host* host = nullptr;
  caf::execution_unit* door = nullptr; // of all these actors (`loop_actor`)
  prober* probes = nullptr;            // outlives it too
  notifier* notify = nullptr;          // and so do these
  usage_meter* usage = nullptr;
  oom_witness* oom = nullptr;
  registry_actor registry;
  std::string state_dir;   // absolute
  std::string working_dir; // for processes that name none; absolute
  std::map<std::string, std::string> environment; // what children inherit
  std::string socket_path;  // PM_SOCKET of children; may be empty
  std::string program_path; // this program, for its own functions
  std::string worker_path;  // pm-worker, for those of plugin libraries
  std::string boot_id;
  std::function<timestamp()> now; // the wall clock
  // The node is to end, with this reason; empty: nobody listens.
  std::function<void(const std::string&)> essential_ended;
  std::function<double()> chance; // in [0, 1), for jitter
  // A process has been removed; empty: nobody listens.
  std::function<void(const std::string&)> forgotten;
};

timestamp wall_clock();

// The current directory of `spec`'s process.
std::string working_dir_of(const supervision& on, const process_spec& spec);

// The variables of `spec` as they may be shown: without the secret values.
std::map<std::string, std::string> shown_environment(const process_spec& spec);

// Where the output of this process goes.
std::string log_file_of(const supervision& on,
                        const process_definition& definition);

// True if it does not run as the node's own user.
bool becomes_another(const process_spec& spec);

// True if it is ready to serve.
bool is_ready(const process_record& record);

// The record as it is shown at `on.now()`.
process_view make_view(const supervision& on, const process_record& record);

// Everything the host needs for the run that `record.state` names.
// `once` is what it is run with, if it is run once.
spawn_request make_spawn_request(const supervision& on,
                                 const process_record& record,
                                 const run_request* once = nullptr);

// Tells a run's life to its supervisor. Thread-safe, as every actor handle.
std::shared_ptr<run_events> make_run_relay(supervisor_actor to, run_id run);

} // namespace pm
