#include "actors/manager.hpp"

namespace pm {

namespace {

using m = manager_state;

template <class Atom, auto Handle, class R, class... Ts>
auto handler(m::pointer self, R (m::*)(Ts...)) {
  return [self](Atom, std::decay_t<Ts>&... xs) {
    return (self->state.*Handle)(std::move(xs)...);
  };
}

template <class Atom, auto Look, class R, class... Ts>
auto handler(m::pointer self, R (m::*)(Ts...) const) {
  return [self](Atom, const std::decay_t<Ts>&... xs) {
    return (self->state.*Look)(xs...);
  };
}

// A handler of `Atom` that is one call of the state.
template <class Atom, auto Handle>
auto on(m::pointer self) {
  return handler<Atom, Handle>(self, Handle);
}

} // namespace

manager_actor::behavior_type
manager(m::pointer self, std::shared_ptr<const supervision> with,
        std::shared_ptr<const manager_start> from) {
  self->state.init(self, std::move(with));
  self->state.restore(*from);
  return {
    on<run_atom, &m::run>(self),
    on<define_atom, &m::define>(self),
    on<start_atom, &m::start>(self),
    on<stop_atom, &m::stop>(self),
    on<stop_atom, &m::withdraw>(self),
    on<restart_atom, &m::restart>(self),
    on<stop_atom, &m::stop_several>(self),
    on<restart_atom, &m::restart_rolling>(self),
    on<reset_atom, &m::reset>(self),
    on<scale_atom, &m::scale>(self),
    on<diff_atom, &m::diff>(self),
    on<apply_atom, &m::apply>(self),
    on<graph_atom, &m::graph>(self),
    on<turn_atom, &m::turn_over>(self),
    on<give_up_atom, &m::not_ready_in_time>(self),
    on<signal_atom, &m::signal>(self),
    on<remove_atom, &m::remove>(self),
    on<migrate_atom, &m::migrate>(self),
    on<cleanup_atom, &m::cleanup>(self),
    on<status_atom, &m::status_of>(self),
    on<get_atom, &m::get>(self),
    on<history_atom, &m::history>(self),
    on<reasons_atom, &m::reasons>(self),
    on<list_atom, &m::list>(self),
    on<resolve_atom, &m::resolve>(self),
    on<wait_atom, &m::wait>(self),
    on<subscribe_atom, &m::subscribe>(self),
    [self](leave_atom, const event_listener& who) {
      self->state.leave(who.address());
    },
    on<events_atom, &m::events_after>(self),
    on<feed_atom, &m::feed>(self),
    on<close_in_atom, &m::close_stdin>(self),
    on<consumed_atom, &m::consumed>(self),
    on<recover_atom, &m::found_at_start>(self),
    [self](save_atom) {
      return self->delegate(self->state.on().registry, save_atom::value);
    },
    on<shutdown_atom, &m::shutdown>(self),
    on<settled_atom, &m::settled>(self),
    on<report_atom, &m::report>(self),
    [self](report_atom, process_event& event) {
      self->state.tell_listeners(std::move(event));
    },
    on<define_atom, &m::defined>(self),
    on<removed_atom, &m::removed>(self),
    on<refused_atom, &m::not_acted_upon>(self),
  };
}

} // namespace pm
