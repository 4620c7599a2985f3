#include <pm/process_manager.hpp>

#include <cstdlib>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <pm/node.hpp>

#include "actors/facade/process_manager_impl.hpp"

namespace pm {

namespace {

// Writes `input` to the stdin of a run, piece by piece, and closes it.
class feeder_state {
public:
  feeder_state() = default; // no aggregate: CAF asks what can make one

  void next(output_listener::stateful_pointer<feeder_state> self) {
    constexpr size_t piece_max = 64u << 10;
    if (at >= input.size()) {
      self->send(manager, close_in_atom::value, id);
      return self->quit();
    }
    auto piece = input.substr(at, piece_max);
    at += piece.size();
    self->request(manager, caf::infinite, feed_atom::value, id, piece)
      .then([this, self](bool) { next(self); },
            [self](const caf::error&) { self->quit(); });
  }

  manager_actor manager;
  std::string id;
  std::string input;
  size_t at = 0;
};

output_listener::behavior_type
feeder(output_listener::stateful_pointer<feeder_state> self,
       manager_actor manager, std::string input) {
  self->state.manager = std::move(manager);
  self->state.input = std::move(input);
  return {
    [self](spawned_atom, const process_view& run) {
      self->state.id = run.handle_id;
      self->state.next(self);
    },
    [](output_atom, const std::string&, stream, const std::string&) {},
  };
}

} // namespace

process_manager::process_manager(caf::actor_system& system,
                                 manager_options options)
  : impl_(std::make_unique<impl>(system, options.on_exit)) {
  if (std::getenv(functions::worker_variable) != nullptr) {
    impl_->problem = {ec::invalid_argument,
                      "this process was started as a worker for a function, "
                      "and its main does not begin with pm::run_worker()"};
    return;
  }
  node_options how;
  how.state_dir = std::move(options.state_dir);
  how.name = std::move(options.name);
  how.keeper_path = std::move(options.keeper_path);
  how.calls = impl_->calls = std::move(options.calls);
  how.note = std::move(options.note);
  impl_->open(std::move(how));
}

process_manager::~process_manager() {
  if (!impl_->node)
    return;
  if (impl_->on_exit == on_exit::stop) {
    (void)impl_->ask_for<bool>(shutdown_atom::value, false, false).get();
  } else {
    std::vector<async<change_outcome>> stops;
    if (auto all = list_processes({.kind = kind::task}).get())
      for (auto& x : *all)
        if (is_alive(x.status))
          stops.push_back(impl_->ask_for<change_outcome>(
            stop_atom::value, x.handle_id, false, request_context{}));
    for (auto& x : stops)
      (void)x.get();
    (void)impl_->ask_for<bool>(shutdown_atom::value, true, false).get();
  }
  impl_->node->goodbye();
}

const std::optional<error>& process_manager::problem() const noexcept {
  return impl_->problem;
}

const manager_actor& process_manager::manager() const noexcept {
  static const manager_actor none;
  return impl_->node ? impl_->node->manager() : none;
}

const std::string& process_manager::state_dir() const noexcept {
  static const std::string none;
  return impl_->node ? impl_->node->state_dir() : none;
}

// -- commands -----------------------------------------------------------------

async<process_result> process_manager::run_cli(argv command,
                                               cli_options options) {
  async<process_result> result;
  run_request what;
  what.handle_id = options.handle_id.empty() ? make_handle_id()
                                             : std::string{options.handle_id};
  what.spec.command = std::move(command.words());
  what.spec.working_dir = options.working_dir;
  what.environment = options.environment.get();
  what.environment_on_top = true;
  what.timeout = detail::bounded(options.timeout);
  what.capture_max = options.capture_max;
  what.stdin_pipe = !options.input.empty();
  auto id = what.handle_id;
  auto by = context_of(options.correlation_id);
  if (by.correlation_id.empty())
    by.correlation_id = make_correlation_id();
  auto withdraw = [this, id, correlation_id = by.correlation_id] {
    if (impl_->node)
      impl_->tell(stop_atom::value, id, correlation_id);
  };
  output_listener input;
  if (what.stdin_pipe && impl_->node)
    input = spawn_by(impl_->node->door(), impl_->system, feeder, manager(),
                     std::string{options.input});
  impl_->ask<process_result>(
    result, caf::infinite, [](process_result&& x) { return std::move(x); },
    run_atom::value, std::move(what), input, std::move(by));
  result.shared()->on_cancel(std::move(withdraw));
  return result;
}

async<process_handle>
process_manager::start_process(const process_definition& what,
                               std::string_view correlation_id) {
  async<process_handle> result;
  auto definition = what;
  if (definition.handle_id.empty())
    definition.handle_id = make_handle_id();
  impl_->ask<change_outcome>(
    result, caf::infinite,
    [](change_outcome&& x) { return handle_of(x.process); }, define_atom::value,
    std::move(definition), true, context_of(correlation_id));
  return result;
}

} // namespace pm
