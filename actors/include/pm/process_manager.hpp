#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <caf/fwd.hpp>

#include <pm/actors.hpp>
#include <pm/async.hpp>
#include <pm/calls.hpp>
#include <pm/function.hpp>
#include <pm/task.hpp>

namespace pm {

// A program and its arguments, as in {"ls", "-l"}. Not an initializer_list:
// GCC 12 cannot keep one across a co_await.
class argv {
public:
  template <class... Ts>
  requires(std::is_convertible_v<Ts, std::string>&&...) argv(Ts&&... words) {
    (words_.push_back(std::forward<Ts>(words)), ...);
  }

  argv(std::vector<std::string> words) : words_(std::move(words)) {}

  std::vector<std::string>& words() noexcept { return words_; }

private:
  std::vector<std::string> words_;
};

// What becomes of the processes when their manager is destroyed. Tasks are
// always stopped: they are part of this program.
enum class on_exit : uint8_t {
  leave, // they run on, and the next manager of the directory takes them over
  stop,  // each is stopped as its spec says
};

struct manager_options {
  std::string state_dir;   // empty: $PM_STATE_DIR, else ~/.local/state/pm
  std::string name;        // of the node; empty: "node"
  std::string keeper_path; // empty: pm-keeper beside this program, or in PATH
  pm::on_exit on_exit = pm::on_exit::leave;
  call_pool_options calls;
  // Lines for the program's log, with a level in front. From any thread.
  std::function<void(const std::string&)> note;
};

// Options of requests are views, so that they may stand in the middle of a
// `co_await` (GCC 12 destroys aggregates with destructors twice there): what
// they name must live until the request has been made, no longer.

// Names and values that somebody else holds.
class name_values {
public:
  using map = std::map<std::string, std::string>;

  name_values() = default;

  name_values(const map& x) noexcept : at_(&x) {}

  // {{"A", "b"}} would be a map of two iterators.
  template <class A, class B>
  name_values(A, B) = delete;

  map get() const { return at_ != nullptr ? *at_ : map{}; }

private:
  const map* at_ = nullptr;
};

// How `run_cli` runs.
struct cli_options {
  std::string_view handle_id; // empty: made up; gone when the result is there
  // Relative to this program's, and empty that one, as it was when the manager
  // was opened.
  std::string_view working_dir;
  name_values environment; // on top of this program's, likewise
  std::string_view input;  // what it reads from stdin
  std::optional<milliseconds> timeout = milliseconds{300'000};
  uint64_t capture_max = 16u << 20; // bytes kept of each output
  std::string_view correlation_id;  // empty: made up
};

// How a background process is kept.
struct background_options {
  std::string_view handle_id; // empty: made up
  std::string_view log_file; // empty: logs/HANDLE_ID.log in the state directory
  std::string_view working_dir;
  name_values environment;
  name_values labels;
  restart_mode restart = restart_mode::on_failure;
  std::string_view correlation_id;
};

struct task_options {
  std::string_view handle_id; // empty: made up
  name_values labels;
  restart_mode restart = restart_mode::on_failure;
  // What takes longer, or one of its times with an interval, is asked to stop
  // and has failed, with the reason timeout.
  std::optional<milliseconds> timeout;
  std::string_view correlation_id;
};

// Which processes `list_processes` gives; what is empty does not filter.
struct process_filter {
  std::string_view name; // or a shell pattern
  std::optional<pm::kind> kind;
  std::optional<pm::status> status;
  name_values labels;
};

struct function_call_options {
  std::optional<milliseconds> timeout = milliseconds{300'000};
};

struct stop_options {
  bool force = false; // SIGKILL at once
};

// What a background process is known by.
struct process_handle {
  std::string handle_id;
  pm::kind kind = pm::kind::command;
  std::string run_id;
  std::optional<int> pid; // none for tasks
  std::string log_file;
  timestamp created_at;
};

// Runs commands, functions and tasks for the program that it is embedded in:
//
//   pm::process_manager pm{system, {.state_dir = "/var/lib/myapp"}};
//   auto ps = co_await pm.run_cli({"docker", "ps", "-a"});
//
// All requests return at once and may come from any thread; the outcomes are
// `pm::async`. Actors may send the same requests as messages to `manager()`.
// The actor system must outlive it; `scheduler.policy` `sharing` is the one to
// use, since CAF's default polls. The host's signal handlers, SIGCHLD, wait(2)
// calls, umask, locale and other children are left alone: processes are
// spawned and reaped by the keeper.
class process_manager {
public:
  // Opens the state directory, adopts what runs there and starts what is
  // wanted; blocks for some milliseconds. If that fails, `problem` says why,
  // and every request fails with it.
  explicit process_manager(caf::actor_system& system,
                           manager_options options = {});

  // As `on_exit` says. Waits for what is stopped, and for tasks that are in
  // the middle of something. No request may be under way on another thread.
  ~process_manager();

  process_manager(const process_manager&) = delete;
  process_manager& operator=(const process_manager&) = delete;

  // Why it could not be opened; none: it is open. Errors: locked,
  // keeper_failed, storage_failed, format_refused, invalid_argument (this
  // process is a worker whose `main` did not call `run_worker`).
  const std::optional<error>& problem() const noexcept;

  // For typed messages; null if it is not open.
  const manager_actor& manager() const noexcept;

  const std::string& state_dir() const noexcept;

  // -- commands ---------------------------------------------------------------

  // Runs a command to its end. Cancelling kills it. Errors: spawn_failed,
  // already_exists, invalid_argument, cancelled. A command that fails, or is
  // ended by its timeout, is a result.
  async<process_result> run_cli(argv command, cli_options options = {});

  // Starts a command and keeps it; done when exec has succeeded and that is on
  // disk. Errors: spawn_failed, already_running, invalid_argument.
  async<process_handle> start_cli_background(argv command,
                                             background_options options = {});

  // The same with a whole definition, which is best a variable of its own.
  async<process_handle> start_process(const process_definition& definition,
                                      std::string_view correlation_id = {});

  // -- functions --------------------------------------------------------------

  // Calls a function of this program in a warm worker, which is this program
  // started again: `main` begins with `run_worker`. Errors: call_failed with
  // the exception's type and text, timeout, cancelled, busy.
  template <auto Fn, class... Ts>
  auto run_function(const Ts&... args);

  template <auto Fn, class... Ts>
  auto run_function(function_call_options options, const Ts&... args);

  // The same by registered name; `args` is a JSON array (`pm::arguments`).
  async<call_result> run_function(const std::string& name,
                                  std::string args = {},
                                  function_call_options options = {});

  // Starts a function in a process of its own and keeps it. Its stdout and
  // stderr are its log; its result is in its status.
  template <auto Fn, class... Ts>
  async<process_handle> start_function_background(background_options options,
                                                  const Ts&... args) {
    functions::check_arguments<Fn, Ts...>();
    return start_function_background(functions::by_symbol<Fn>::name(),
                                     std::move(options),
                                     functions::arguments_text(args...));
  }

  async<process_handle> start_function_background(const std::string& name,
                                                  background_options options,
                                                  std::string args = {});

  // Calls "module:function" in a warm Python worker; `args` is a JSON array,
  // `kwargs` a JSON object.
  async<call_result> run_python(const std::string& function,
                                std::string args = {}, std::string kwargs = {},
                                function_call_options options = {});

  async<process_handle> start_python_background(const std::string& function,
                                                background_options options,
                                                std::string args = {},
                                                std::string kwargs = {});

  // -- tasks ------------------------------------------------------------------

  // Runs a task inside this program, once, or again so long after each time. A
  // start that is refused changes nothing. The body is kept until the process
  // is removed. Errors: already_running, invalid_argument.
  async<process_handle>
  start_async_task(task_body body, task_options options = {},
                   std::optional<milliseconds> interval = {});

  // The same with a whole definition: what it depends on, restart policy, and
  // so on. Its kind and its command are set here. Both are best variables of
  // their own.
  async<process_handle> start_async_task(task_plan plan,
                                         process_definition definition,
                                         std::string_view correlation_id = {});

  // -- all kinds --------------------------------------------------------------

  // Done when it has ended; true if it was alive. Errors: no_such_process.
  async<bool> stop_process(const std::string& handle_id,
                           stop_options options = {});

  async<process_view> get_status(const std::string& handle_id);
  async<process_handle> get_handle(const std::string& handle_id);
  async<std::vector<process_view>> list_processes(process_filter filter = {});

  // Done when the process is so. Errors: no_such_process, timeout.
  async<process_view>
  wait_for_process(const std::string& handle_id,
                   wait_target target = wait_target::ended,
                   std::optional<milliseconds> timeout = {});

  // -- the registry -----------------------------------------------------------

  // Writes a fresh snapshot; gives its generation.
  async<uint64_t> save_registry();

  // What was found in the state directory when it was opened.
  async<recovery_report> load_registry();

  // Forgets what is neither wanted nor alive; gives how many.
  async<uint64_t> cleanup_dead_processes();

private:
  struct impl;

  using outcome_fn = std::function<void(const caf::expected<call_result>&)>;

  // Makes a call; `done` is called on the loop's thread. Gives what withdraws
  // it.
  std::function<void()> call(kind which, const call_spec& what,
                             function_call_options options, outcome_fn done);

  async<call_result> checked_call(kind which, const call_spec& what,
                                  function_call_options options);

  // Where continuations run.
  const detail::elsewhere& elsewhere() const noexcept;

  std::unique_ptr<impl> impl_;
};

// The arguments of a function as a JSON array.
template <class... Ts>
std::string arguments(const Ts&... xs) {
  return functions::arguments_text(xs...);
}

namespace functions {

// Turns the JSON of a result into what the function returns.
template <class R>
caf::expected<R> read_result(const caf::expected<call_result>& x) {
  if (!x)
    return x.error();
  if constexpr (std::is_void_v<R>) {
    return caf::expected<void>{caf::error{}};
  } else {
    auto value = from_json<R>(x->value.text.empty() ? "null" : x->value.text);
    if (!value)
      return to_caf(value.error());
    return std::move(*value);
  }
}

} // namespace functions

template <auto Fn, class... Ts>
auto process_manager::run_function(function_call_options options,
                                   const Ts&... args) {
  using result = std::decay_t<
    typename functions::signature<std::decay_t<decltype(Fn)>>::result>;
  functions::check_arguments<Fn, Ts...>();
  async<result> mine;
  call_spec what;
  what.name = functions::by_symbol<Fn>::name();
  what.args = functions::arguments_text(args...);
  auto state = mine.shared();
  state->on_cancel(
    call(kind::function, what, options,
         [state, run = elsewhere()](const caf::expected<call_result>& x) {
           state->complete(functions::read_result<result>(x), run);
         }));
  return mine;
}

template <auto Fn, class... Ts>
auto process_manager::run_function(const Ts&... args) {
  return run_function<Fn>(function_call_options{}, args...);
}

} // namespace pm
