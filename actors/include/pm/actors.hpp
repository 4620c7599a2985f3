#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <caf/typed_actor.hpp>

#include <pm/atoms.hpp>
#include <pm/inspect.hpp>
#include <pm/messages.hpp>

// All typed interfaces. Each message says what its sender may rely on. Errors
// are `pm::ec` values with a text (see <pm/caf_error.hpp>); every request may
// also fail with `shutting_down`, and with `storage_failed` where it changes
// something.

namespace pm {

// Told of every change, in order, without gaps. One that does not keep up is
// dropped and told so.
using event_listener =
  caf::typed_actor<caf::reacts_to<event_atom, process_event>,
                   // `reason` says why nothing more will come.
                   caf::reacts_to<dropped_atom, std::string>>;

// Told of a streamed run: that it began, and its output, chunk by chunk. The
// listener returns credit with (consumed, run, stream, bytes) to the manager.
using output_listener = caf::typed_actor<
  caf::reacts_to<spawned_atom, process_view>,
  caf::reacts_to<output_atom, std::string, stream, std::string>>;

// The only writer of the state directory.
using registry_actor = caf::typed_actor<
  // Writes the changes and replies with their sequence number: they survive
  // this program's death, not yet the machine's. Errors: storage_failed; the
  // newest state of each process is then kept in memory, and written when the
  // disk takes it.
  caf::replies_to<write_atom, std::vector<registry_change>>::with<uint64_t>,
  // Replies once all up to this sequence number is on disk for good (0: all
  // that was written before). Errors: storage_failed.
  caf::replies_to<sync_atom, uint64_t>::with<uint64_t>,
  // The same for all that was written before, within a moment: for what nobody
  // waits for. Many of these share one sync. Never fails: it waits until the
  // disk is well again.
  caf::replies_to<later_atom>::with<uint64_t>,
  // Writes a fresh snapshot and replies with its generation.
  caf::replies_to<save_atom>::with<uint64_t>,
  // Records that this node begins, and that it ends in order.
  caf::reacts_to<mark_atom>, caf::replies_to<mark_atom, bool>::with<uint64_t>,
  // The last ended runs of a process, the newest first, so many at most.
  caf::replies_to<history_atom, std::string,
                  uint64_t>::with<std::vector<ended_run>>,
  // Its own timers: a sync for those that could wait, another try after a
  // failure.
  caf::reacts_to<delay_atom>, caf::reacts_to<mend_atom>,
  // Puts a text into a file of the state directory, in one step; replies when
  // that is durable. Errors: storage_failed.
  caf::replies_to<keep_atom, std::string, std::string>::with<bool>,
  // From the worker thread: it is, or not.
  caf::reacts_to<keep_atom, uint64_t, error>,
  // From the worker thread: the history has been read, or not.
  caf::reacts_to<history_atom, uint64_t, std::vector<ended_run>, error>,
  // From the worker thread: a sync or a snapshot is done. The text is empty,
  // or says why it failed.
  caf::reacts_to<written_atom, uint64_t, bool, std::string>>;

// Stands for one process and holds its life cycle.
using supervisor_actor = caf::typed_actor<
  // Starts the process; replies once exec has succeeded and is durable.
  // Errors: spawn_failed, cancelled (stopped meanwhile).
  caf::replies_to<start_atom, request_context>::with<change_outcome>,
  // Runs it once, to its end, and gives the result. The supervisor is gone
  // after that. Errors: spawn_failed, process_lost.
  caf::replies_to<run_atom, run_request, output_listener,
                  request_context>::with<process_result>,
  // Stops it (SIGKILL at once if forced); replies once it has been reaped,
  // and its group is gone where the spec asks for that.
  caf::replies_to<stop_atom, bool, request_context>::with<change_outcome>,
  // Kills the one run that the request of this correlation id began.
  caf::reacts_to<stop_atom, std::string>,
  // Ends this life and begins another; replies when that one runs.
  caf::replies_to<restart_atom, bool, request_context>::with<change_outcome>,
  // Sends a signal to the process itself. Errors: not_running.
  caf::replies_to<signal_atom, int, request_context>::with<change_outcome>,
  // Gives it a new definition; takes effect with the next start.
  caf::replies_to<define_atom, process_definition,
                  request_context>::with<change_outcome>,
  // The same, from the manager, with nobody waiting for the answer.
  caf::reacts_to<define_atom, process_definition>,
  // Clears what counts against it: a failure, and the restart budget.
  caf::replies_to<reset_atom, request_context>::with<change_outcome>,
  // Replies when the manager has been told of what was asked before.
  caf::replies_to<sync_atom>::with<bool>,
  // From the manager: whether a start may go ahead now; one that may not is
  // pending until it may.
  caf::reacts_to<gate_atom, bool>,
  // From the manager: nobody is going to open the gate soon; those who wait
  // for the start are told so.
  caf::reacts_to<gate_atom, error>,
  // Forgets the process. Errors: already_running.
  caf::replies_to<remove_atom, request_context>::with<change_outcome>,
  caf::reacts_to<remove_atom>,
  // Writes to its stdin; replies when the bytes are in the pipe.
  caf::replies_to<feed_atom, std::string>::with<bool>,
  caf::reacts_to<close_in_atom>,
  caf::reacts_to<consumed_atom, stream, uint64_t>,
  // From the process host, by way of a `run_relay`.
  caf::reacts_to<spawned_atom, std::string, identity, timestamp>,
  caf::reacts_to<refused_atom, std::string, error>,
  caf::reacts_to<output_atom, std::string, stream, std::string>,
  caf::reacts_to<exited_atom, std::string, run_exit>,
  caf::reacts_to<group_gone_atom, std::string>, caf::reacts_to<fed_atom, error>,
  // The stop command of this run is over; the text says why it failed.
  caf::reacts_to<command_atom, std::string, std::string>,
  // Its own timer: the stop command of this run has had its time.
  caf::reacts_to<command_atom, std::string>,
  // Ends the supervisor, not the process: the node goes.
  caf::reacts_to<leave_atom>,
  // Its own timers; the number tells an old one from the one that counts.
  caf::reacts_to<grace_atom, uint64_t>, caf::reacts_to<delay_atom, uint64_t>,
  caf::reacts_to<expire_atom, uint64_t>, caf::reacts_to<give_up_atom, uint64_t>,
  // Of its probes, by role and by the number that tells an old run's from the
  // one that counts: it is time to ask; an answer came (good, in words, where a
  // log goes on, the command's run).
  caf::reacts_to<probe_atom, uint64_t, uint64_t>,
  caf::reacts_to<probe_atom, uint64_t, uint64_t, bool, std::string, uint64_t,
                 std::string>,
  // What the tree of this run uses now: memory in bytes, and CPU time in
  // microseconds since it began; of how many processes.
  caf::reacts_to<limit_atom, std::string, uint64_t, uint64_t, int>,
  // The kernel itself holds this run to its limit of memory, of CPU.
  caf::reacts_to<limit_atom, std::string, bool, bool>,
  // The run has said something of itself; its inbox has it.
  caf::reacts_to<notify_atom, std::string>,
  // Its own timer, with the number of its probes: is WATCHDOG=1 overdue?
  caf::reacts_to<watchdog_atom, uint64_t>,
  // Of its hooks, by their runs: one is over, well or as the text says; one has
  // had its time. And its own timer: what runs beside it is not waited for any
  // longer.
  caf::reacts_to<hook_atom, std::string, bool, std::string>,
  caf::reacts_to<hook_atom, std::string>, caf::reacts_to<hook_atom, uint64_t>,
  // Its own timers: the record of a stop takes too long; is a run due?
  caf::reacts_to<stop_atom, uint64_t>, caf::reacts_to<schedule_atom, uint64_t>>;

// Routes requests to supervisors by handle id. The one door for all clients.
using manager_actor = caf::typed_actor<
  // Runs a command to its end. The listener may be null unless streaming.
  // Errors: invalid_argument, already_exists, spawn_failed, process_lost.
  caf::replies_to<run_atom, run_request, output_listener,
                  request_context>::with<process_result>,
  // Defines a process, and starts it if the flag says so. A process that is
  // not alive gets the new definition. Errors: invalid_argument,
  // already_running, spawn_failed.
  caf::replies_to<define_atom, process_definition, bool,
                  request_context>::with<change_outcome>,
  // As the supervisor's; errors also: no_such_process.
  caf::replies_to<start_atom, std::string,
                  request_context>::with<change_outcome>,
  caf::replies_to<stop_atom, std::string, bool,
                  request_context>::with<change_outcome>,
  // Withdraws a run, by handle id and the correlation id of its request.
  caf::reacts_to<stop_atom, std::string, std::string>,
  // Stops several, each one after those of them that depend on it; replies
  // when all have ended or cannot be ended.
  caf::replies_to<stop_atom, std::vector<std::string>, bool,
                  request_context>::with<std::vector<named_outcome>>,
  caf::replies_to<restart_atom, std::string, bool,
                  request_context>::with<change_outcome>,
  // Restarts several, one after the other: the next one when the one before is
  // ready, for which it has so many milliseconds. Stops at the first failure;
  // the others have the error `cancelled` then.
  caf::replies_to<restart_atom, std::vector<std::string>, bool, uint64_t,
                  request_context>::with<std::vector<named_outcome>>,
  caf::replies_to<reset_atom, std::string,
                  request_context>::with<change_outcome>,
  // Runs so many replicas of a replicated process. Errors: no_such_process,
  // invalid_argument.
  caf::replies_to<scale_atom, std::string, uint64_t,
                  request_context>::with<std::vector<named_outcome>>,
  // What this configuration would change.
  caf::replies_to<diff_atom, accepted_config>::with<config_diff>,
  // Changes what it changes: new ones start, gone ones are stopped and
  // removed, changed ones restart where that is needed. Errors: busy (another
  // one is being applied), storage_failed (nothing has changed).
  caf::replies_to<apply_atom, accepted_config,
                  request_context>::with<apply_report>,
  // Who depends on whom, sorted by handle id.
  caf::replies_to<graph_atom>::with<std::vector<graph_node>>,
  caf::replies_to<signal_atom, std::string, int,
                  request_context>::with<change_outcome>,
  // Forgets a process; a live one only if forced (it is stopped first).
  caf::replies_to<remove_atom, std::string, bool,
                  request_context>::with<change_outcome>,
  // Forgets all that are neither wanted nor alive; replies how many.
  caf::replies_to<cleanup_atom, request_context>::with<uint64_t>,
  caf::replies_to<status_atom, std::string>::with<process_view>,
  caf::replies_to<get_atom, std::string>::with<process_record>,
  // The last ended runs, the newest first, so many at most; also of a process
  // that is gone. Errors: no_such_process (and no run of it is known).
  caf::replies_to<history_atom, std::string,
                  uint64_t>::with<std::vector<ended_run>>,
  // The same, and who asked for what is now. Errors: no_such_process.
  caf::replies_to<reasons_atom, std::string, uint64_t>::with<process_reasons>,
  // Sorted by handle id. A plain name that nobody has: no_such_process.
  caf::replies_to<list_atom, list_filter>::with<std::vector<process_view>>,
  // The handle ids that the names and patterns mean, each once; a name also
  // means its replicas. A plain name that nobody has stays as it is.
  caf::replies_to<resolve_atom,
                  std::vector<std::string>>::with<std::vector<std::string>>,
  // Replies when the process is so. Errors: no_such_process (also when it is
  // removed meanwhile).
  caf::replies_to<wait_atom, std::string, wait_target>::with<process_view>,
  // Adds a listener; replies with the recent events after this number, and
  // tells the listener of all that follow, without a gap and none twice.
  caf::replies_to<subscribe_atom, event_listener,
                  uint64_t>::with<std::vector<process_event>>,
  caf::reacts_to<leave_atom, event_listener>,
  // The recent events after this number.
  caf::replies_to<events_atom, uint64_t>::with<std::vector<process_event>>,
  // Stdin and credit of a `run`, by handle id.
  caf::replies_to<feed_atom, std::string, std::string>::with<bool>,
  caf::reacts_to<close_in_atom, std::string>,
  caf::reacts_to<consumed_atom, std::string, stream, uint64_t>,
  // What this node found when it began.
  caf::replies_to<recover_atom>::with<recovery_report>,
  // Takes in the record of another tool. A live run must be proven by its
  // identity. Errors: invalid_argument, already_exists.
  caf::replies_to<migrate_atom, process_record,
                  request_context>::with<change_outcome>,
  caf::replies_to<save_atom>::with<uint64_t>,
  // Ends everything (or leaves it running) and replies when that is durable.
  // A second request with the first flag set hurries: SIGKILL now.
  caf::replies_to<shutdown_atom, bool, bool>::with<bool>,
  // Its own timer: the start of this run has had its time.
  caf::reacts_to<turn_atom, std::string, std::string>,
  // Its own timer: the process of this rolling restart is not ready in time.
  caf::reacts_to<give_up_atom, uint64_t, uint64_t>,
  // From supervisors: the state after a change, and the change. Where the
  // status is as before, only the state counts: no listener is told.
  caf::reacts_to<report_atom, process_state, process_event>,
  // The same, of what listeners are told though the status is as before.
  caf::reacts_to<report_atom, process_event>,
  caf::reacts_to<settled_atom, recovered_run>,
  caf::reacts_to<define_atom, process_definition>,
  caf::reacts_to<removed_atom, std::string>,
  // From supervisors: this request was not acted upon after all.
  caf::reacts_to<refused_atom, std::string, std::string>>;

} // namespace pm
