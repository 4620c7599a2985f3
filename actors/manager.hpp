#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <pm/config_diff.hpp>
#include <pm/registry_store.hpp>

#include "actors/dependency_graph.hpp"
#include "actors/supervision.hpp"

namespace pm {

struct supervisor_start;

// What a manager begins with: what the registry and the keeper knew, and what
// the configuration defines.
struct manager_start {
  std::vector<process_record> records;
  std::vector<held_run> held;
  std::vector<process_definition> configured;
  std::vector<request_mark> requests; // that were acted upon
  recovery_report report;             // what the registry found
  // The configuration is there: what it does not name any more goes.
  bool has_config = false;
  // It was being applied when the node died: what it changes is restarted.
  bool is_half_applied = false;
  accepted_config accepted; // without its processes
  // The node ended in order last time, or the machine was booted since.
  bool fresh = false;
};

// Routes requests, keeps what was last reported for `list`, tells listeners.
class manager_state {
public:
  using pointer = manager_actor::stateful_pointer<manager_state>;
  using outcome = caf::result<change_outcome>;

  void init(pointer self, std::shared_ptr<const supervision> on);
  void restore(const manager_start& from);

  caf::result<process_result> run(run_request what, output_listener to,
                                  request_context by);
  outcome define(process_definition what, bool start, request_context by);
  outcome start(const std::string& id, request_context by);
  void withdraw(const std::string& id, const std::string& correlation_id);
  outcome stop(const std::string& id, bool force, request_context by);
  outcome restart(const std::string& id, bool force, request_context by);
  outcome reset(const std::string& id, request_context by);
  caf::result<std::vector<named_outcome>>
  stop_several(const std::vector<std::string>& ids, bool force,
               request_context by);
  caf::result<std::vector<named_outcome>>
  restart_rolling(std::vector<std::string> ids, bool force,
                  uint64_t ready_within_ms, request_context by);
  caf::result<std::vector<named_outcome>>
  scale(const std::string& name, uint64_t count, request_context by);
  config_diff diff(const accepted_config& config) const;
  caf::result<apply_report> apply(accepted_config config, request_context by);
  std::vector<graph_node> graph() const;
  outcome signal(const std::string& id, int number, request_context by);
  outcome remove(const std::string& id, bool force, request_context by);
  outcome migrate(process_record what, request_context by);
  caf::result<uint64_t> cleanup(request_context by);

  caf::result<process_view> status_of(const std::string& id);
  caf::result<process_record> get(const std::string& id);
  caf::result<std::vector<ended_run>> history(const std::string& id,
                                              uint64_t count_max);
  caf::result<process_reasons> reasons(const std::string& id,
                                       uint64_t count_max);
  caf::result<std::vector<process_view>> list(const list_filter& filter);
  std::vector<std::string> resolve(const std::vector<std::string>& names) const;
  caf::result<process_view> wait(const std::string& id, wait_target target);

  std::vector<process_event> subscribe(event_listener to, uint64_t since);
  void leave(const caf::actor_addr& who);
  void dismiss(const caf::error& reason);
  void gone(const caf::actor_addr& who);
  void end();
  std::vector<process_event> events_after(uint64_t seq) const;

  caf::result<bool> feed(const std::string& id, std::string bytes);
  void close_stdin(const std::string& id);
  void consumed(const std::string& id, stream which, uint64_t bytes);

  caf::result<bool> shutdown(bool leave_running, bool hurry);

  void settled(recovered_run what);
  caf::result<recovery_report> found_at_start();
  void turn_over(const std::string& id, const std::string& run);
  void not_ready_in_time(uint64_t number, uint64_t at);
  void report(process_state state, process_event event);
  void tell_listeners(process_event event);
  void defined(process_definition what);
  void removed(const std::string& id);
  void not_acted_upon(const std::string& id, const std::string& request_id);

  pointer self() const { return self_; }
  const supervision& on() const { return *on_; }

private:
  struct entry {
    supervisor_actor supervisor;
    process_record record;
    bool gate_open = true;     // as the supervisor was told last
    bool is_asked_for = false; // a start is on its way to the supervisor
    bool is_followed = false;  // the graph knows what holds of it
  };

  using outcomes = std::vector<named_outcome>;

  // Several processes that are being stopped, one after the other.
  struct group_stop {
    stop_order order;
    size_t asked_count = 0; // of them; the others are stopped with them
    bool force = false;
    request_context by;
    std::set<std::string> told;
    std::map<std::string, size_t> places; // in `results`
    outcomes results;
    size_t left = 0;
    std::function<void(outcomes)> done;
  };

  // A configuration that is being applied. A newer one may take its place once
  // all of it has begun: what that waits for may need a better configuration.
  struct apply_run {
    apply_report report;
    uint64_t number = 0;
    std::optional<caf::typed_response_promise<apply_report>> promise;
    std::vector<process_definition> processes; // of one that was cut off
  };

  struct rolling_restart {
    std::vector<std::string> ids;
    size_t at = 0;
    bool force = false;
    milliseconds ready_within{0};
    bool awaits_ready = false;
    bool is_timed = false; // the one at `at`
    request_context by;
    outcomes results;
    caf::typed_response_promise<outcomes> promise;
  };

  // Requests to supervisors whose outcomes are gathered.
  struct gathering {
    outcomes results;
    size_t left = 0;
    std::function<void(outcomes)> done;
  };

  struct waiter {
    std::string id;
    wait_target target = wait_target::ended;
    caf::typed_response_promise<process_view> promise;
  };

  void begin_wait(waiter who);
  void learn(const manager_start& from, std::set<std::string>& begins);
  entry& add(process_record record, bool begin = false, bool is_unborn = false);
  entry& spawn(std::shared_ptr<supervisor_start> how);
  void reconcile(const manager_start& from);
  void look_for_essential(const entry& x);
  entry* find(const std::string& id);
  bool is_known(const std::string& name) const;
  caf::error nobody(const std::string& id) const;
  caf::error refuse_start(const std::string& what) const;
  void prepare(request_context& by) const;
  bool is_repeated(const std::string& id, const request_context& by);
  void remember(request_mark request);
  change_outcome as_it_is(const std::string& id);
  process_view view_of(const entry& x) const;

  // -- the order of starts (manager_order.cpp)

  void link(const process_definition& what);
  void unlink(const std::string& id);
  void follow(const std::string& id, entry& x);
  void tell_graph(const std::string& id, entry& x);
  void turn_gates(const dependency_effects& effects);
  void set_gate(const std::string& id, entry& x);
  bool may_start(const std::string& id) const;
  void ask_turn(const std::string& id);
  void give_turns();
  void end_turn(const std::string& id);
  void limit_starts(int count_max);
  outcome begin(const std::string& id, request_context by);
  void start_needs(const std::string& id, const request_context& by);
  void tell_waiters(const std::string& id);
  std::string hopeless_need(const std::string& id) const;
  std::string need_text(const unmet_need& need) const;
  std::string waiting_text(const std::string& id) const;
  expected<void> check_needs(const process_definition& what) const;
  std::vector<std::string> stopped_with(const std::string& id) const;

  // -- several at once (manager_groups.cpp)

  static named_outcome done_outcome(const std::string& id,
                                    const change_outcome& what);
  static named_outcome failed_outcome(const std::string& id, const error& why);
  outcome stop_with(const std::string& id, std::vector<std::string> others,
                    bool force, request_context by);
  void stop_group(const std::vector<std::string>& ids, size_t asked_count,
                  bool force, const request_context& by,
                  std::function<void(outcomes)> done);
  void stop_next(const std::shared_ptr<group_stop>& group,
                 const std::string& id);
  void group_member_over(const std::shared_ptr<group_stop>& group,
                         const std::string& id, named_outcome result);
  void roll(uint64_t number);
  void await_ready(uint64_t number);
  void begin_time(uint64_t number, rolling_restart& x);
  void rolled(uint64_t number, const process_view& view);
  void roll_fails(uint64_t number, error why);
  void all_down(const outcomes& results);

  // -- configurations (manager_apply.cpp)

  void keep_accepted(std::function<void(const error*)> then);
  void apply_removed(std::shared_ptr<apply_run> run,
                     std::shared_ptr<const accepted_config> config,
                     request_context by);
  void apply_rest(std::shared_ptr<apply_run> run,
                  std::shared_ptr<const accepted_config> config,
                  request_context by);
  void apply_fails(const std::shared_ptr<apply_run>& run, const error& why);
  void apply_done(std::shared_ptr<apply_run> run);
  void remove_all(const std::vector<std::string>& ids,
                  const request_context& by,
                  std::function<void(outcomes)> done);
  template <class... Ts>
  void gather(const std::shared_ptr<gathering>& to, const std::string& id,
              const Ts&... message);
  void gathered(const std::shared_ptr<gathering>& to, named_outcome result);
  void scale_in_turn(const std::string& name, uint64_t count,
                     request_context by,
                     caf::typed_response_promise<outcomes> promise);
  entry& add_new(const process_definition& what, bool begin);
  void add_replica(const std::shared_ptr<gathering>& all,
                   const std::string& name, int number,
                   const process_definition& pattern,
                   const request_context& by);

  pointer self_ = nullptr;
  std::shared_ptr<const supervision> on_;
  std::map<std::string, entry> entries_;
  std::vector<waiter> waiters_;
  std::vector<event_listener> listeners_;
  recovery_report found_at_start_;
  size_t unsettled_ = 0; // runs whose fate is not told yet
  std::vector<caf::typed_response_promise<recovery_report>> report_promises_;
  std::deque<process_event> events_; // the last `events_max`
  uint64_t event_seq_ = 0;
  std::deque<request_mark> requests_; // the last `request_marks_max`
  bool going_down_ = false;
  std::optional<caf::error> dismissed_; // ends when no supervisor is left
  std::set<caf::actor_addr> supervisors_;
  dependency_graph graph_;
  size_t starts_max_ = 0;         // at once; 0: no limit
  std::set<std::string> turns_;   // whose start is under way
  std::deque<std::string> queue_; // who waits for a turn
  std::set<std::string> queued_;  // the same
  std::map<uint64_t, rolling_restart> rolling_;
  uint64_t rolling_number_ = 0;
  accepted_config accepted_;  // without its processes where it is applied
  uint64_t apply_number_ = 0; // of the newest
  bool is_applying_ = false;  // not all of it has begun
  std::shared_ptr<apply_run> resumed_; // that the node before had begun
  std::map<std::string, std::vector<std::function<void()>>> scaling_;
  std::vector<caf::typed_response_promise<bool>> shutdown_promises_;
};

manager_actor::behavior_type manager(manager_state::pointer self,
                                     std::shared_ptr<const supervision> on,
                                     std::shared_ptr<const manager_start> from);

// Down, and nobody wants it up.
bool is_down_for_good(const process_state& state);

// True if the names or patterns in `names` mean this process.
bool is_named_by(const std::string& name, const process_definition& process);

} // namespace pm
