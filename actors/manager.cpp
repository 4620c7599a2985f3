#include "actors/manager.hpp"

namespace pm {

namespace {

using m = manager_state;

// A handler of `Atom` that is one call of the state.
template <class Atom, class R, class... Ts>
auto on(m::pointer self, R (m::*handle)(Ts...)) {
  return [self, handle](Atom, std::decay_t<Ts>&... xs) {
    return (self->state.*handle)(std::move(xs)...);
  };
}

template <class Atom, class R, class... Ts>
auto on(m::pointer self, R (m::*look)(Ts...) const) {
  return [self, look](Atom, const std::decay_t<Ts>&... xs) {
    return (self->state.*look)(xs...);
  };
}

} // namespace

manager_actor::behavior_type
manager(m::pointer self, std::shared_ptr<const supervision> with,
        std::shared_ptr<const manager_start> from) {
  self->state.init(self, std::move(with));
  self->state.restore(*from);
  return {
    on<run_atom>(self, &m::run),
    on<define_atom>(self, &m::define),
    on<start_atom>(self, &m::start),
    on<stop_atom>(self, &m::stop),
    on<restart_atom>(self, &m::restart),
    on<signal_atom>(self, &m::signal),
    on<remove_atom>(self, &m::remove),
    on<migrate_atom>(self, &m::migrate),
    on<cleanup_atom>(self, &m::cleanup),
    on<status_atom>(self, &m::status_of),
    on<get_atom>(self, &m::get),
    on<history_atom>(self, &m::history),
    on<reasons_atom>(self, &m::reasons),
    on<list_atom>(self, &m::list),
    on<resolve_atom>(self, &m::resolve),
    on<wait_atom>(self, &m::wait),
    on<subscribe_atom>(self, &m::subscribe),
    [self](leave_atom, const event_listener& who) {
      self->state.leave(who.address());
    },
    on<events_atom>(self, &m::events_after),
    on<feed_atom>(self, &m::feed),
    on<close_in_atom>(self, &m::close_stdin),
    on<consumed_atom>(self, &m::consumed),
    on<recover_atom>(self, &m::found_at_start),
    [self](save_atom) {
      return self->delegate(self->state.on().registry, save_atom::value);
    },
    on<shutdown_atom>(self, &m::shutdown),
    on<settled_atom>(self, &m::settled),
    on<report_atom>(self, &m::report),
    on<define_atom>(self, &m::defined),
    on<removed_atom>(self, &m::removed),
    on<refused_atom>(self, &m::not_acted_upon),
  };
}

} // namespace pm
