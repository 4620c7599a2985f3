#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "apps/pmctl/call_options.hpp"
#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/key_values.hpp"
#include "apps/pmctl/outcomes.hpp"
#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/spec_keys.hpp"
#include "apps/pmctl/working_dir.hpp"

// start: of what is defined, or of a new definition.

namespace pm::ctl {

namespace {

struct start_options {
  std::vector<std::string> names;
  std::string name;
  std::vector<std::string> environment;
  std::string env_file;
  std::string working_dir;
  std::string restart;
  std::string log_file;
  std::vector<std::string> labels;
  std::vector<std::string> keys;
  call_options call;

  bool defines() const {
    return !name.empty() || !environment.empty() || !env_file.empty()
           || !working_dir.empty() || !restart.empty() || !log_file.empty()
           || !labels.empty() || !keys.empty() || call.given();
  }
};

std::string started_words(const process_view& x, bool changed) {
  auto words = changed ? std::string{to_string(x.status)}
                       : fmt::format("already {}", to_string(x.status));
  if (x.pid)
    words += fmt::format(" (pid {})", *x.pid);
  return words;
}

// The definition in config form. Errors: invalid_argument.
expected<std::string> spec_json(const start_options& options,
                                const std::vector<std::string>& command,
                                const std::string& base_dir) {
  request_params spec;
  if (!options.call.given())
    spec.set("command", command);
  else if (auto ok = options.call.write(spec, base_dir); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  if (!options.environment.empty()) {
    auto pairs = parse_pairs(options.environment, "-e");
    if (!pairs)
      return tl::make_unexpected(std::move(pairs.error()));
    spec.set("environment", *pairs);
  }
  if (!options.labels.empty()) {
    auto pairs = parse_pairs(options.labels, "-l");
    if (!pairs)
      return tl::make_unexpected(std::move(pairs.error()));
    spec.set("labels", *pairs);
  }
  // Relative paths on a command line are relative to where it was typed.
  if (!options.env_file.empty())
    spec.set("env_file", absolute_path(options.env_file, base_dir));
  if (!options.restart.empty())
    spec.set("restart", options.restart);
  if (!options.log_file.empty()) {
    request_params log;
    log.set("file", absolute_path(options.log_file, base_dir));
    spec.set_json("log", log.str());
  }
  return set_keys(spec.str(), options.keys);
}

int define(session& here, const start_options& options) {
  if (options.name.empty()) {
    session::complain("start: a new process needs '--name NAME'");
    return usage;
  }
  if (!options.names.empty() || here.tail.empty() != options.call.given()) {
    session::complain("start: put the command behind '--', as in 'pmctl start "
                      "--name web -- ./serve --port 80'");
    return usage;
  }
  auto base_dir = current_directory();
  if (!base_dir)
    return session::refuse(base_dir.error());
  auto working_dir = options.working_dir.empty()
                       ? *base_dir
                       : absolute_path(options.working_dir, *base_dir);
  auto spec = spec_json(options, here.tail, *base_dir);
  for (auto& word : here.tail)
    if (spec && !json::is_utf8(word))
      spec = fail(ec::invalid_argument, "'{}' is not valid UTF-8", word);
  if (!spec) {
    session::complain("start: " + spec.error().text);
    return usage;
  }
  auto params = here.params();
  params.set("name", options.name)
    .set_json("spec", *spec)
    .set("working_dir", working_dir)
    .set("wait", here.options.wait);
  auto reply = here.call("start", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, {options.name}, started_words);
}

int start(session& here, const start_options& options) {
  if (options.defines() || !here.tail.empty())
    return define(here, options);
  if (options.names.empty()) {
    session::complain("start: name what to start, or define it with '--name "
                      "NAME -- COMMAND...'");
    return usage;
  }
  auto params = here.params();
  params.set("names", options.names).set("wait", here.options.wait);
  auto reply = here.call("start", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, options.names, started_words);
}

} // namespace

void add_start_verb(command_line& to) {
  auto options = std::make_shared<start_options>();
  auto& verb =
    to.add("start", "Start processes, or define a new one and start it",
           "pmctl start web; pmctl start --name api -e PORT=80 -- ./serve",
           [options](session& here) { return start(here, *options); });
  command_line::add_names(verb, options->names, false);
  verb.add_option("--name", options->name, "Define a process of this name")
    ->type_name("NAME");
  verb.add_option("-e,--env", options->environment, "Set a variable in it")
    ->type_name("KEY=VALUE")
    ->allow_extra_args(false);
  verb
    .add_option("--env-file", options->env_file, "Read variables from a file")
    ->type_name("FILE");
  verb
    .add_option("--cwd", options->working_dir,
                "Its working directory (default: this one)")
    ->type_name("DIR");
  verb
    .add_option("--restart", options->restart,
                "never, on_failure (the default), always")
    ->type_name("MODE")
    ->check(
      CLI::IsMember(std::vector<std::string>{"never", "on_failure", "always"}));
  verb.add_option("--log-file", options->log_file, "Where its output goes")
    ->type_name("FILE");
  verb.add_option("-l,--label", options->labels, "Label it")
    ->type_name("KEY=VALUE")
    ->allow_extra_args(false);
  verb
    .add_option("--set", options->keys,
                "Set any key that a process has in the config, as in "
                "schedule.interval=1h, memory_limit=200MB or "
                "depends_on.db.condition=ready")
    ->type_name("KEY=VALUE")
    ->allow_extra_args(false);
  options->call.add_to(verb);
}

} // namespace pm::ctl
