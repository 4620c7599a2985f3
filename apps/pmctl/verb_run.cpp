#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>

#include "apps/pmctl/call_options.hpp"
#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/key_values.hpp"
#include "apps/pmctl/run_stream.hpp"
#include "apps/pmctl/working_dir.hpp"

extern char** environ;

// run: a command to its end, as if the shell had run it.

namespace pm::ctl {

namespace {

struct run_options {
  std::string name;
  std::vector<std::string> environment;
  std::string working_dir;
  std::vector<std::string> command;
  call_options call;
};

int fail_with(const error& why) {
  session::complain(why.text);
  return run_exit_code_for(why);
}

// This process's variables. One that is not UTF-8 cannot be carried.
std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> variables;
  for (auto at = environ; *at; ++at) {
    std::string_view entry = *at;
    auto equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0)
      continue;
    if (json::is_utf8(entry))
      variables.insert_or_assign(std::string{entry.substr(0, equals)},
                                 std::string{entry.substr(equals + 1)});
    else
      session::complain(fmt::format("run: the variable {} is not valid UTF-8 "
                                    "and is left out",
                                    entry.substr(0, equals)));
  }
  return variables;
}

expected<std::vector<std::string>> command_of(const session& here,
                                              const run_options& options) {
  auto command = options.command;
  // "--" within the command is the command's own.
  if (!command.empty() && !here.tail.empty())
    command.push_back("--");
  command.insert(command.end(), here.tail.begin(), here.tail.end());
  if (command.empty())
    return fail(ec::invalid_argument,
                "say what to run, as in 'pmctl run -- ls -l'");
  for (auto& word : command)
    if (!json::is_utf8(word))
      return fail(ec::invalid_argument, "'{}' is not valid UTF-8", word);
  return command;
}

// What is to be run, in config form.
expected<void> write_what(request_params& spec, const session& here,
                          const run_options& options,
                          const std::string& base_dir) {
  if (options.call.given()) {
    if (!options.command.empty() || !here.tail.empty())
      return fail(ec::invalid_argument, "either a function or a command");
    return options.call.write(spec, base_dir);
  }
  auto command = command_of(here, options);
  if (!command)
    return tl::make_unexpected(std::move(command.error()));
  spec.set("command", *command);
  return {};
}

// What a call gave: its result on stdout, or its exception on stderr.
void show_outcome(const process_result& result) {
  if (!result.outcome) {
    session::complain(fmt::format("run '{}': it ended without a result: {}",
                                  result.handle, describe(result.exit)));
  } else if (auto& failure = result.outcome->failure) {
    session::complain(fmt::format("run '{}': {}: {}", result.handle,
                                  failure->type, failure->message));
  } else {
    session::emit(result.outcome->value.text + "\n");
  }
}

// The params of `run`. Errors: invalid_argument, system_failed.
expected<std::string> run_params(const session& here,
                                 const run_options& options, bool streams) {
  auto base_dir = current_directory();
  if (!base_dir)
    return tl::make_unexpected(std::move(base_dir.error()));
  request_params spec;
  if (auto ok = write_what(spec, here, options, *base_dir); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  auto pairs = parse_pairs(options.environment, "-e");
  if (!pairs)
    return tl::make_unexpected(std::move(pairs.error()));
  if (!pairs->empty())
    spec.set("environment", *pairs);
  auto params = here.params();
  if (!options.name.empty())
    params.set("name", options.name);
  params.set_json("spec", spec.str())
    .set("environment", own_environment())
    .set("working_dir", options.working_dir.empty()
                          ? *base_dir
                          : absolute_path(options.working_dir, *base_dir))
    .set("stdin", !options.call.given() && fcntl(STDIN_FILENO, F_GETFD) >= 0)
    .set("stream", streams);
  return params.str();
}

int run(session& here, const run_options& options) {
  auto streams = !here.options.json;
  auto params = run_params(here, options, streams);
  if (!params) {
    session::complain("run: " + params.error().text);
    return params.error().code == ec::invalid_argument ? int{usage}
                                                       : int{own_failure};
  }
  auto node = here.node();
  if (!node)
    return fail_with(node.error());
  auto id = (*node)->request("run", *params);
  if (!id)
    return fail_with(id.error());
  run_stream stream{**node, *id, !options.call.given()};
  auto reply = stream.finish();
  if (!reply)
    return fail_with(reply.error());
  process_result result;
  if (auto ok = json::read(reply->body(), result, "result"); !ok)
    return fail_with(ok.error());
  if (here.options.json)
    session::emit(json_line(reply->body()));
  else if (options.call.given())
    show_outcome(result);
  else if (result.exit.reason != exit_reason::exited
           && result.exit.reason != exit_reason::signaled)
    session::complain(
      fmt::format("run '{}': {}", result.handle, describe(result.exit)));
  auto code = run_exit_code(result.exit, "");
  auto has_result = result.outcome && !result.outcome->failure;
  return code == 0 && options.call.given() && !has_result ? int{failed} : code;
}

} // namespace

void add_run_verb(command_line& to) {
  auto options = std::make_shared<run_options>();
  auto& verb = to.add("run", "Run a command to its end, and exit as it did",
                      "pmctl run --timeout 10s -e LANG=C -- sort names.txt",
                      [options](session& here) { return run(here, *options); });
  // What follows the command's first word is the command's.
  verb.positionals_at_end();
  verb.add_option("--name", options->name, "Its handle id while it runs")
    ->type_name("NAME");
  verb.add_option("-e,--env", options->environment, "Set a variable in it")
    ->type_name("KEY=VALUE")
    ->allow_extra_args(false);
  verb
    .add_option("--cwd", options->working_dir,
                "Its working directory (default: this one)")
    ->type_name("DIR");
  options->call.add_to(verb);
  command_line::add_command(verb, options->command);
}

} // namespace pm::ctl
