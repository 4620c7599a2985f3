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

#include <pm/registry_store.hpp>

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
  outcome stop(const std::string& id, bool force, request_context by);
  outcome restart(const std::string& id, bool force, request_context by);
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
  std::vector<process_event> events_after(uint64_t seq) const;

  caf::result<bool> feed(const std::string& id, std::string bytes);
  void close_stdin(const std::string& id);
  void consumed(const std::string& id, stream which, uint64_t bytes);

  caf::result<bool> shutdown(bool leave_running, bool hurry);

  void settled(recovered_run what);
  caf::result<recovery_report> found_at_start();
  void report(process_state state, process_event event);
  void defined(process_definition what);
  void removed(const std::string& id);
  void not_acted_upon(const std::string& id, const std::string& request_id);

  pointer self() const { return self_; }
  const supervision& on() const { return *on_; }

private:
  struct entry {
    supervisor_actor supervisor;
    process_record record;
  };

  struct waiter {
    std::string id;
    wait_target target = wait_target::ended;
    caf::typed_response_promise<process_view> promise;
  };

  entry& add(process_record record, bool begin = false, bool is_unborn = false);
  entry& spawn(std::shared_ptr<supervisor_start> how);
  void reconcile(const manager_start& from);
  entry* find(const std::string& id);
  bool is_known(const std::string& name) const;
  caf::error nobody(const std::string& id) const;
  caf::error refuse_start(const std::string& what) const;
  void prepare(request_context& by) const;
  bool is_repeated(const std::string& id, const request_context& by);
  void remember(request_mark request);
  change_outcome as_it_is(const std::string& id);
  void stop_all(bool force);
  void stopped_one();

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
  size_t stops_pending_ = 0;
  std::vector<caf::typed_response_promise<bool>> shutdown_promises_;
};

manager_actor::behavior_type manager(manager_state::pointer self,
                                     std::shared_ptr<const supervision> on,
                                     std::shared_ptr<const manager_start> from);

// True if the names or patterns in `names` mean this process.
bool is_named_by(const std::string& name, const process_definition& process);

} // namespace pm
