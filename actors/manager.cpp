#include "actors/manager.hpp"

namespace pm {

namespace {

using text = const std::string&;
using context = request_context&;

} // namespace

manager_actor::behavior_type
manager(manager_state::pointer self, std::shared_ptr<const supervision> on,
        std::shared_ptr<const manager_start> from) {
  auto& state = self->state;
  state.init(self, std::move(on));
  state.restore(*from);
  return {
    [self](run_atom, run_request& what, const output_listener& to, context by) {
      return self->state.run(std::move(what), to, std::move(by));
    },
    [self](define_atom, process_definition& what, bool start, context by) {
      return self->state.define(std::move(what), start, std::move(by));
    },
    [self](start_atom, text id, context by) {
      return self->state.start(id, std::move(by));
    },
    [self](stop_atom, text id, bool force, context by) {
      return self->state.stop(id, force, std::move(by));
    },
    [self](restart_atom, text id, bool force, context by) {
      return self->state.restart(id, force, std::move(by));
    },
    [self](signal_atom, text id, int number, context by) {
      return self->state.signal(id, number, std::move(by));
    },
    [self](remove_atom, text id, bool force, context by) {
      return self->state.remove(id, force, std::move(by));
    },
    [self](cleanup_atom, context by) {
      return self->state.cleanup(std::move(by));
    },
    [self](status_atom, text id) { return self->state.status_of(id); },
    [self](get_atom, text id) { return self->state.get(id); },
    [self](list_atom, const list_filter& filter) {
      return self->state.list(filter);
    },
    [self](resolve_atom, const std::vector<std::string>& names) {
      return self->state.resolve(names);
    },
    [self](wait_atom, text id, wait_target target) {
      return self->state.wait(id, target);
    },
    [self](subscribe_atom, const event_listener& to, uint64_t since) {
      return self->state.subscribe(to, since);
    },
    [self](leave_atom, const event_listener& who) {
      self->state.leave(who.address());
    },
    [self](events_atom, uint64_t seq) { return self->state.events_after(seq); },
    [self](feed_atom, text id, std::string& bytes) {
      return self->state.feed(id, std::move(bytes));
    },
    [self](close_in_atom, text id) { self->state.close_stdin(id); },
    [self](consumed_atom, text id, stream which, uint64_t bytes) {
      self->state.consumed(id, which, bytes);
    },
    [self](save_atom) {
      return self->delegate(self->state.on().registry, save_atom::value);
    },
    [self](shutdown_atom, bool leave_running, bool hurry) {
      return self->state.shutdown(leave_running, hurry);
    },
    [self](report_atom, process_state& state_now, process_event& event) {
      self->state.report(std::move(state_now), std::move(event));
    },
    [self](define_atom, process_definition& what) {
      self->state.defined(std::move(what));
    },
    [self](removed_atom, text id) { self->state.removed(id); },
  };
}

} // namespace pm
