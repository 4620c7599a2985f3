#include "actors/facade/process_manager_impl.hpp"
#include "actors/own_program.hpp"

// Functions, tasks, and what is asked of processes of all kinds.

namespace pm {

namespace {

process_definition definition_of(kind which,
                                 const background_options& options) {
  process_definition result;
  result.handle_id = options.handle_id.empty() ? make_handle_id()
                                               : std::string{options.handle_id};
  auto& spec = result.spec;
  spec.kind = which;
  spec.log.file = options.log_file;
  spec.working_dir = options.working_dir;
  spec.environment = options.environment.get();
  spec.labels = options.labels.get();
  spec.restart = options.restart;
  return result;
}

caf::duration deadline_of(const std::optional<milliseconds>& timeout) {
  return timeout ? caf::duration{detail::bounded(*timeout)}
                 : caf::duration{caf::infinite};
}

} // namespace

async<process_handle>
process_manager::start_cli_background(argv command,
                                      background_options options) {
  auto definition = definition_of(kind::command, options);
  definition.spec.command = std::move(command.words());
  return start_process(definition, options.correlation_id);
}

// -- functions ----------------------------------------------------------------

std::function<void()> process_manager::call(kind which, const call_spec& what,
                                            function_call_options options,
                                            outcome_fn done) {
  if (impl_->problem) {
    done(to_caf(*impl_->problem));
    return {};
  }
  return impl_->node->call_function(
    which, what, detail::bounded(options.timeout),
    [done = std::move(done)](expected<call_result> x) {
      if (x)
        done(std::move(*x));
      else
        done(to_caf(x.error()));
    });
}

// The arguments are a text that anybody may have written.
async<call_result>
process_manager::checked_call(kind which, const call_spec& what,
                              function_call_options options) {
  async<call_result> result;
  auto state = result.shared();
  if (auto ok = check_call(what); !ok) {
    state->complete(
      to_caf({ok.error().code,
              fmt::format("call of '{}': {}", what.name, ok.error().text)}));
    return result;
  }
  state->on_cancel(
    call(which, what, options,
         [state, run = elsewhere()](const caf::expected<call_result>& x) {
           state->complete(x, run);
         }));
  return result;
}

const detail::elsewhere& process_manager::elsewhere() const noexcept {
  return impl_->elsewhere;
}

async<call_result>
process_manager::run_function(const std::string& name, std::string args,
                              function_call_options options) {
  call_spec what;
  what.name = name;
  what.args = std::move(args);
  return checked_call(kind::function, what, options);
}

async<call_result> process_manager::run_python(const std::string& function,
                                               std::string args,
                                               std::string kwargs,
                                               function_call_options options) {
  call_spec what;
  what.name = function;
  what.args = std::move(args);
  what.kwargs = std::move(kwargs);
  return checked_call(kind::python, what, options);
}

async<process_handle> process_manager::start_function_background(
  const std::string& name, background_options options, std::string args) {
  auto definition = definition_of(kind::function, options);
  auto& what = definition.spec.call.emplace();
  what.name = name;
  what.args = std::move(args);
  what.interpreter = own_program(); // whoever starts it again
  return start_process(definition, options.correlation_id);
}

async<process_handle>
process_manager::start_python_background(const std::string& function,
                                         background_options options,
                                         std::string args, std::string kwargs) {
  auto definition = definition_of(kind::python, options);
  auto& what = definition.spec.call.emplace();
  what.name = function;
  what.args = std::move(args);
  what.kwargs = std::move(kwargs);
  what.interpreter = impl_->calls.interpreter;
  what.python_path = impl_->calls.python_path;
  return start_process(definition, options.correlation_id);
}

// -- tasks --------------------------------------------------------------------

async<process_handle>
process_manager::start_async_task(task_body body, task_options options,
                                  std::optional<milliseconds> interval) {
  background_options kept;
  kept.handle_id = options.handle_id;
  kept.labels = options.labels;
  kept.restart = options.restart;
  return start_async_task({std::move(body), interval, options.timeout},
                          definition_of(kind::task, kept),
                          options.correlation_id);
}

async<process_handle>
process_manager::start_async_task(task_plan plan, process_definition definition,
                                  std::string_view correlation_id) {
  if (plan.interval && *plan.interval <= milliseconds{0}) {
    async<process_handle> refused;
    refused.shared()->complete(
      to_caf({ec::invalid_argument, "start_async_task: the interval is not "
                                    "above 0"}));
    return refused;
  }
  plan.interval = detail::bounded(plan.interval);
  plan.timeout = detail::bounded(plan.timeout);
  if (definition.handle_id.empty())
    definition.handle_id = make_handle_id();
  definition.spec.kind = kind::task;
  definition.spec.command = {
    plan.interval ? "every " + format_duration(*plan.interval) : "once"};
  std::function<void(bool)> decide;
  if (impl_->node)
    decide = impl_->node->define_task(definition.handle_id, std::move(plan));
  // Before anybody hears of the outcome: by then it is decided.
  async<process_handle> result;
  impl_->ask_explained<change_outcome>(
    result, caf::infinite,
    [decide](change_outcome&& x) {
      decide(true);
      return handle_of(x.process);
    },
    [decide](error why) { // one that could not begin is defined all the same
      decide(why.code == ec::spawn_failed || why.code == ec::cancelled);
      return why;
    },
    define_atom::value, std::move(definition), true,
    context_of(correlation_id));
  return result;
}

// -- all kinds ----------------------------------------------------------------

async<bool> process_manager::stop_process(const std::string& handle_id,
                                          stop_options options) {
  async<bool> result;
  impl_->ask<change_outcome>(
    result, caf::infinite, [](change_outcome&& x) { return x.changed; },
    stop_atom::value, handle_id, options.force, request_context{});
  return result;
}

async<process_view> process_manager::get_status(const std::string& handle_id) {
  return impl_->ask_for<process_view>(status_atom::value, handle_id);
}

async<process_handle>
process_manager::get_handle(const std::string& handle_id) {
  async<process_handle> result;
  impl_->ask<process_view>(
    result, caf::infinite, [](process_view&& x) { return handle_of(x); },
    status_atom::value, handle_id);
  return result;
}

async<std::vector<process_view>>
process_manager::list_processes(process_filter filter) {
  list_filter what;
  if (!filter.name.empty())
    what.names.emplace_back(filter.name);
  what.kind = filter.kind;
  what.status = filter.status;
  what.labels = filter.labels.get();
  return impl_->ask_for<std::vector<process_view>>(list_atom::value,
                                                   std::move(what));
}

async<process_view>
process_manager::wait_for_process(const std::string& handle_id,
                                  wait_target target,
                                  std::optional<milliseconds> timeout) {
  async<process_view> result;
  auto explain = [handle_id, target, timeout](error why) {
    if (why.code == ec::timeout && timeout)
      why.text =
        fmt::format("wait for '{}': it was not {} within {}", handle_id,
                    to_string(target), format_duration(*timeout));
    return why;
  };
  impl_->ask_explained<process_view>(
    result, deadline_of(timeout), [](process_view&& x) { return std::move(x); },
    explain, wait_atom::value, handle_id, target);
  return result;
}

// -- the registry -------------------------------------------------------------

async<uint64_t> process_manager::save_registry() {
  return impl_->ask_for<uint64_t>(save_atom::value);
}

async<recovery_report> process_manager::load_registry() {
  return impl_->ask_for<recovery_report>(recover_atom::value);
}

async<uint64_t> process_manager::cleanup_dead_processes() {
  return impl_->ask_for<uint64_t>(cleanup_atom::value, request_context{});
}

} // namespace pm
