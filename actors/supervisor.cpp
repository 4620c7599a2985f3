#include "actors/supervisor.hpp"

namespace pm {

namespace {

using pointer = supervisor_state::pointer;

auto on_start(pointer self) {
  return [self](start_atom, request_context& by) {
    return self->state.start(std::move(by));
  };
}

auto on_spawned(pointer self) {
  return [self](spawned_atom, const std::string& run, const identity& who,
                timestamp at) { self->state.spawned(run, who, at); };
}

auto on_refused(pointer self) {
  return [self](refused_atom, const std::string& run, const error& why) {
    self->state.refused(run, why);
  };
}

auto on_command_end(pointer self) {
  return [self](command_atom, const std::string& run, const std::string& why) {
    self->state.stop_command_ended(run, why);
  };
}

auto on_command_overdue(pointer self) {
  return [self](command_atom, const std::string& run) {
    self->state.stop_command_overdue(run);
  };
}

auto on_reset(pointer self) {
  return [self](reset_atom, const request_context& by) {
    return self->state.reset(by);
  };
}

auto on_probe_due(pointer self) {
  return [self](probe_atom, uint64_t role, uint64_t probing) {
    self->state.ask_probe(role, probing);
  };
}

auto on_probe_answer(pointer self) {
  return [self](probe_atom, uint64_t role, uint64_t probing, bool good,
                std::string& text, uint64_t offset, const std::string& run) {
    self->state.probe_ended(role, run);
    self->state.probe_answered(role, probing, good, std::move(text), offset);
  };
}

auto on_feed(pointer self) {
  return [self](feed_atom, std::string& bytes) {
    return self->state.feed(std::move(bytes));
  };
}

auto on_consumed(pointer self) {
  return [self](consumed_atom, stream which, uint64_t bytes) {
    self->state.consumed(which, bytes);
  };
}

auto on_exit(pointer self) {
  return [self](exited_atom, const std::string& run, run_exit& how) {
    self->state.exited(run, std::move(how));
  };
}

auto on_output(pointer self) {
  return [self](output_atom, const std::string& run, stream which,
                std::string& chunk) {
    self->state.output(run, which, std::move(chunk));
  };
}

auto on_notify(pointer self) {
  return
    [self](notify_atom, const std::string& run) { self->state.notified(run); };
}

auto on_watchdog(pointer self) {
  return [self](watchdog_atom, uint64_t probing) {
    self->state.look_at_watchdog(probing);
  };
}

auto on_usage(pointer self) {
  return [self](limit_atom, const std::string& run, uint64_t rss_bytes,
                uint64_t cpu_us, int processes) {
    self->state.used(run, rss_bytes, std::chrono::microseconds{cpu_us},
                     processes);
  };
}

auto on_held(pointer self) {
  return [self](limit_atom, const std::string& run, bool memory, bool cpu) {
    self->state.held(run, {memory, cpu});
  };
}

auto on_hook_end(pointer self) {
  return
    [self](hook_atom, const std::string& run, bool good, std::string& text) {
      self->state.hook_ended(run, good, std::move(text));
    };
}

auto on_hook_overdue(pointer self) {
  return [self](hook_atom, const std::string& run) {
    self->state.hook_overdue(run);
  };
}

auto on_beside_overdue(pointer self) {
  return [self](hook_atom, uint64_t number) {
    self->state.stop_waiting_beside(number);
  };
}

auto on_record_limit(pointer self) {
  return [self](stop_atom, uint64_t timer) { self->state.send_unsent(timer); };
}

auto on_schedule(pointer self) {
  return [self](schedule_atom, uint64_t timer) {
    self->state.look_at_schedule(timer);
  };
}

// Takes up what was before, and begins where that is wanted.
void begin(supervisor_state& state, const supervisor_start& how) {
  if (how.restored)
    state.settle(how);
  if (how.begin)
    state.autostart();
  state.follow_schedule();
}

} // namespace

void supervisor_state::init(pointer self, std::shared_ptr<const supervision> on,
                            manager_actor manager,
                            const supervisor_start& how) {
  self_ = self;
  on_ = std::move(on);
  manager_ = std::move(manager);
  record_ = how.record;
  is_unborn_ = how.is_unborn;
  gate_open_ = how.gate_open;
}

supervisor_actor::behavior_type
supervisor(pointer self, std::shared_ptr<const supervision> on,
           manager_actor manager, std::shared_ptr<const supervisor_start> how) {
  self->state.init(self, std::move(on), std::move(manager), *how);
  begin(self->state, *how);
  return {
    on_start(self),
    [self](run_atom, run_request& what, const output_listener& to,
           request_context& by) {
      return self->state.run(std::move(what), to, std::move(by));
    },
    [self](stop_atom, bool force, request_context& by) {
      return self->state.stop(force, std::move(by));
    },
    [self](stop_atom, const std::string& correlation_id) {
      self->state.withdraw(correlation_id);
    },
    [self](restart_atom, bool force, request_context& by) {
      return self->state.restart(force, std::move(by));
    },
    [self](signal_atom, int number, request_context& by) {
      return self->state.signal(number, std::move(by));
    },
    [self](define_atom, process_definition& what, request_context& by) {
      return self->state.define(std::move(what), std::move(by));
    },
    [self](define_atom, process_definition& what) {
      self->state.redefine(std::move(what));
    },
    on_reset(self),
    [](sync_atom) { return true; },
    [self](gate_atom, bool open) { self->state.gate(open); },
    [self](gate_atom, const error& why) { self->state.gate_stays(why); },
    [self](remove_atom, const request_context&) {
      return self->state.remove();
    },
    [self](remove_atom) { self->state.drop(); },
    on_feed(self),
    [self](close_in_atom) { self->state.close_stdin(); },
    on_consumed(self),
    on_spawned(self),
    on_refused(self),
    on_output(self),
    on_exit(self),
    [self](group_gone_atom, const std::string& run) {
      self->state.group_gone(run);
    },
    [self](fed_atom, const error& outcome) { self->state.fed(outcome); },
    on_command_end(self),
    on_command_overdue(self),
    [self](leave_atom) { self->state.leave(); },
    [self](grace_atom, uint64_t timer) { self->state.grace_expired(timer); },
    [self](delay_atom, uint64_t timer) { self->state.delay_elapsed(timer); },
    [self](expire_atom, uint64_t timer) {
      self->state.time_limit_reached(timer);
    },
    [self](give_up_atom, uint64_t timer) { self->state.give_up(timer); },
    on_probe_due(self),
    on_probe_answer(self),
    on_usage(self),
    on_held(self),
    on_notify(self),
    on_watchdog(self),
    on_hook_end(self),
    on_hook_overdue(self),
    on_beside_overdue(self),
    on_record_limit(self),
    on_schedule(self),
  };
}

} // namespace pm
