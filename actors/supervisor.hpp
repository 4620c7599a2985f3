#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/life_cycle.hpp"
#include "actors/limit_policy.hpp"
#include "actors/probe_policy.hpp"
#include "actors/supervision.hpp"

namespace pm {

struct supervisor_start;

// One process, its life cycle and its timers. `apply` is the one door through
// which its status changes.
class supervisor_state {
public:
  using pointer = supervisor_actor::stateful_pointer<supervisor_state>;
  using outcome = caf::typed_response_promise<change_outcome>;

  void init(pointer self, std::shared_ptr<const supervision> on,
            manager_actor manager, const supervisor_start& how);

  // Establishes what became of a run from before this node. `held` is what
  // the keeper knows of it.
  void settle(const supervisor_start& how);

  // Starts a process that is not alive, on the node's own account.
  void autostart();

  // -- requests ---------------------------------------------------------------

  outcome start(request_context by);
  caf::typed_response_promise<process_result>
  run(run_request what, output_listener to, request_context by);
  void withdraw(const std::string& correlation_id);
  outcome stop(bool force, request_context by);
  outcome restart(bool force, request_context by);
  outcome signal(int number, request_context by);
  outcome define(process_definition what, request_context by);
  bool redefine(process_definition what);
  outcome remove();
  outcome reset(const request_context& by);
  void drop();
  caf::typed_response_promise<bool> feed(std::string bytes);
  void close_stdin();
  void consumed(stream which, uint64_t bytes);

  // -- what the host tells ----------------------------------------------------

  void spawned(const std::string& run, const identity& who, timestamp at);
  void refused(const std::string& run, const error& why);
  void output(const std::string& run, stream which, std::string chunk);
  void exited(const std::string& run, run_exit how);
  void group_gone(const std::string& run);
  void fed(const error& outcome);

  // -- what the manager tells -------------------------------------------------

  void gate(bool open);
  void gate_stays(const error& why);
  void leave();

  // -- the stop command -------------------------------------------------------

  void stop_command_ended(const std::string& run,
                          const std::string& why_failed);
  void stop_command_overdue(const std::string& run);

  // -- probes -----------------------------------------------------------------

  void ask_probe(uint64_t role, uint64_t probing);
  void probe_ended(uint64_t role, const std::string& run);
  void probe_answered(uint64_t role, uint64_t probing, bool good,
                      std::string text, uint64_t offset);

  // -- what the run says of itself --------------------------------------------

  void notified(const std::string& run);
  void look_at_watchdog(uint64_t probing);

  // -- what the run uses ------------------------------------------------------

  void held(const std::string& run, const held_limits& what);
  void used(const std::string& run, uint64_t rss_bytes,
            std::chrono::microseconds cpu, int processes);

  // -- hooks ------------------------------------------------------------------

  void hook_ended(const std::string& run, bool good, std::string text);
  void hook_overdue(const std::string& run);
  void stop_waiting_beside(uint64_t number);

  // -- the schedule
  // ------------------------------------------------------------

  void follow_schedule();
  void look_at_schedule(uint64_t timer);

  // -- timers -----------------------------------------------------------------

  void give_up(uint64_t timer);
  void send_unsent(uint64_t timer);
  void grace_expired(uint64_t timer);
  void delay_elapsed(uint64_t timer);
  void await_time_limit(milliseconds lived);
  void time_limit_reached(uint64_t timer);

private:
  // A client that waits for a start or a stop to be done.
  struct waiter {
    outcome promise;
    bool changed = false;
  };

  // What a `run` needs beyond the record.
  struct one_run {
    caf::typed_response_promise<process_result> promise;
    run_request request;
    std::string correlation_id; // of the request
    output_listener listener;
    error why_not; // set if it never began
    process_result result;
  };

  // A hook that is under way.
  struct running_hook {
    pm::run_id run;
    hook_moment moment = hook_moment::pre_start;
    milliseconds timeout{0};
    bool is_killed = false;
    bool is_overdue = false;
  };

  // What a probe has asked and nobody has answered yet.
  struct open_question {
    cancel_probe cancel;
    bool is_command = false;
    bool again = false; // ask the next one as soon as it is answered
  };

  // What follows a write: null if it was taken, else why not.
  using after_write = std::function<void(const error*)>;

  bool step(life_event on);
  void apply(const transition& row);
  void act(life_action what);
  void persist_and_signal(life_action what);
  void begin_run();
  void spawn();
  void terminate();
  void kill();
  void begin_stop();
  void send_stop_signal();
  bool go_on_stopping();
  void arm_give_up();
  void await_gate();
  life_event next_start() const;
  void begin_probes(bool is_new);
  void begin_steady_probes();
  void end_probes();
  void schedule_probe(const probe_spec& probe, bool is_first);
  void go_on_probing(const probe_spec& probe);
  void probe_turned(const probe_spec& probe, bool good);
  void end_for_probe(const probe_spec& probe);
  void end_for(cause why, std::string text);
  bool is_started_up() const;
  void listen(int pid);
  void stop_listening();
  void take_phase(notify_message::phase now);
  void begin_notify_probe(const probe_spec& probe);
  void await_notify(const probe_spec& probe);
  void ask_notify(const probe_spec& probe);
  bool may_be_unheard(const probe_spec& probe) const;
  milliseconds extension_left() const;
  void begin_watchdog();
  void begin_limits();
  void end_limits();
  void keep_limits(const process_spec& before);
  void measure_as_needed();
  void blame_memory();
  bool cpu_is_within(const std::string& told);
  std::string oom_words(const run_exit& how) const;
  void add_to_status(const std::string& words);
  bool begin_hook(hook_moment moment);
  void kill_hooks(bool even_post_stop);
  void begin_spawn();
  void pre_start_ended(const std::string& failure);
  void begin_stop_steps();
  void note_trouble(std::string text);
  void conclude(run_exit how);
  void go_on_concluding();
  bool has_runs_beside() const;
  milliseconds delay_left() const;
  void finish(run_exit how);
  life_event classify(const exit_status& exit, milliseconds uptime,
                      timestamp at);
  error stopped_before() const;
  void fail_spawn(error why);
  void finish_run();
  void forget();
  template <class... Ts>
  outcome give_back(const Ts&... message);
  outcome start_elsewhere(request_context by);
  outcome define_elsewhere(const process_definition& what, request_context by);
  outcome restart_elsewhere(bool force, request_context by);
  outcome nobody_here(std::string_view verb);
  void go_on_restarting(outcome promise, bool force, bool wait);
  void send_signal(outcome promise, int number);
  void leave_schedule();
  void take_new_schedule();
  void begin_due();
  void overlap();
  void go_on_by_schedule();

  void persist(after_write then = {});
  void write(registry_change change, after_write then);
  void intent_written(const error* why_not);
  void refuse_start(process_state before, const error& why);
  void postpone_start(const error& why);
  void settle_held(const held_run& held, bool was_stopping);
  void settle_unheld();
  bool lives_on() const;
  void leave_alone();
  void end_as_lost(std::string why);
  void tell_fate(run_fate fate, const std::optional<exit_status>& exit = {});
  void note_end(const exit_status& exit, timestamp at);
  void publish(status from);
  void keep_intent();
  void take_end(registry_change& to);
  void acknowledge(run_id run);
  void after_sync(std::function<void(const caf::error*)> then,
                  bool soon = true);

  void note(const request_context& by);
  void answer(outcome promise, bool changed);
  void answer_all(std::vector<waiter>& waiters);
  void reject_all(std::vector<waiter> waiters, const error& why);
  signal_scope scope() const;
  bool is_run_once() const;
  bool is_current(const std::string& run) const;
  bool is_up() const;
  timestamp now() const;
  const process_spec& spec() const;
  const std::string& id() const;

  pointer self_ = nullptr;
  std::shared_ptr<const supervision> on_;
  manager_actor manager_;
  process_record record_;
  bool is_stored_ = false;     // the definition is in the registry
  bool was_stored_ = false;    // some definition is in the registry
  bool is_unborn_ = false;     // defined by its first start, not begun yet
  bool spawn_pending_ = false; // the intent is being written
  bool spawn_written_ = false; // it is on its way to the registry
  bool again_ = false;         // a new run is to follow this one
  bool forced_ = false;        // SIGKILL was sent or is due
  bool going_down_ = false;    // the node's shutdown ends this run
  bool timed_out_ = false;     // the time limit ends this run
  bool leaving_ = false;       // forgotten; quits when all is answered
  std::unique_ptr<process_definition> next_definition_; // while leaving
  bool gate_open_ = true;                               // a start may go ahead
  std::optional<life_action> unsent_; // waits for the record of it
  int unsynced_ = 0;                  // sync requests under way
  uint64_t timer_ = 0;                // the number of the timer that counts
  uint64_t grace_timer_ = 0;          // the same, of the steps of a stop
  size_t stop_step_ = 0;         // 0: the stop signal, 1: the first of `then`
  bool is_command_step_ = false; // before them: the stop command
  std::optional<run_id> stop_command_; // that is not over
  std::string stop_text_;              // what went wrong in the stop
  uint64_t limit_timer_ = 0;
  std::chrono::steady_clock::time_point began_; // by the actors' clock
  uint64_t keeper_bytes_ = 0;                   // of the run that was found
  uint64_t schedule_timer_ = 0;
  uint64_t probing_ = 0;                // the number of the run's probes
  uint64_t probe_offset_ = 0;           // where a log_line probe goes on
  bool is_taken_over_ = false;          // nobody may have heard what it said
  std::array<open_question, 3> asking_; // by role
  std::string failing_; // why this run is ended; empty: it is not
  cause failing_cause_ = cause::probe;
  std::shared_ptr<notify_inbox> inbox_; // of the run, if it may notify
  notify_message::phase phase_ = notify_message::phase::none;
  watchdog_state watchdog_;
  std::optional<milliseconds> watchdog_limit_; // that the run knows of
  limit_watch limits_;      // of the run, while it is measured
  oom_mark oom_;            // when the run began
  bool was_killed_ = false; // a client had SIGKILL sent to it
  std::vector<running_hook> hooks_;
  bool is_over_ = false;        // reaped, something beside it is not
  bool post_stop_done_ = false; // or begun
  uint64_t concluding_ = 0;
  std::string request_id_;           // goes with the next write
  std::optional<asker> end_asked_;   // who asked for the end of this run
  std::unique_ptr<ended_run> ended_; // goes with the next write
  // While a start that a client asked for is being written: what was before.
  std::unique_ptr<process_state> before_start_;
  std::unique_ptr<run_exit> exit_;  // reaped, the group lives on
  std::optional<run_id> ended_run_; // the keeper may forget it once durable
  std::vector<waiter> start_waiters_;
  std::vector<waiter> stop_waiters_;
  std::vector<caf::typed_response_promise<bool>> feeders_; // in order
  std::unique_ptr<one_run> run_;
};

// How a supervisor begins: with a new definition, or with a restored record.
struct supervisor_start {
  process_record record;
  bool restored = false;
  // One request defines it and starts it: refused, it is forgotten.
  bool is_unborn = false;
  bool gate_open = true;
  bool is_new = false; // with `restored`: the registry does not have it yet
  std::optional<held_run> held; // with `restored`: what the keeper knows
  // Start it when it has settled and is neither alive nor due to restart.
  bool begin = false;
};

supervisor_actor::behavior_type
supervisor(supervisor_state::pointer self,
           std::shared_ptr<const supervision> on, manager_actor manager,
           std::shared_ptr<const supervisor_start> how);

} // namespace pm
