#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/look_up.hpp"
#include "apps/pmctl/outcomes.hpp"
#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/terminal_text.hpp"

// stop, restart, signal, rm, wait.

namespace pm::ctl {

namespace {

struct act_options {
  std::vector<std::string> names;
  bool force = false;
  bool rolling = false;
  std::string ready_within = "60s";
  std::string signal = "TERM";
  std::string wait_for = "ended";
};

std::string with_pid(std::string_view words, const process_view& x) {
  return x.pid ? fmt::format("{} (pid {})", words, *x.pid) : std::string{words};
}

// "stopped (exit 0)", or where it is instead.
std::string ended_words(const process_view& x) {
  if (is_alive(x.status))
    return with_pid(to_string(x.status), x);
  auto word = exit_word(x);
  return word == "-" ? std::string{to_string(x.status)}
                     : fmt::format("{} ({})", to_string(x.status), word);
}

int stop(session& here, const act_options& options) {
  auto params = here.params();
  params.set("names", options.names)
    .set("force", options.force)
    .set("wait", here.options.wait);
  auto reply = here.call("stop", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(
    here, *reply, options.names, [](const process_view& x, bool changed) {
      return changed ? ended_words(x) : "already " + ended_words(x);
    });
}

int restart(session& here, const act_options& options) {
  auto params = here.params();
  params.set("names", options.names)
    .set("force", options.force)
    .set("wait", here.options.wait);
  if (options.rolling) {
    auto limit = parse_timeout(options.ready_within);
    if (!limit) {
      session::complain("--ready-within: " + limit.error().text);
      return usage;
    }
    params.set("rolling", true).set("ready_within_ms", *limit);
  }
  auto reply = here.call("restart", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, options.names,
                       [](const process_view& x, bool) {
                         return with_pid(to_string(x.status), x);
                       });
}

int signal(session& here, const act_options& options) {
  auto number = parse_signal(options.signal);
  if (!number) {
    session::complain(number.error().text);
    return usage;
  }
  auto params = here.params();
  params.set("names", options.names).set("signal", signal_name(*number));
  auto reply = here.call("signal", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, options.names,
                       [&](const process_view& x, bool) {
                         return with_pid("sent " + signal_name(*number), x);
                       });
}

int remove(session& here, const act_options& options) {
  auto params = here.params();
  params.set("names", options.names).set("force", options.force);
  auto reply = here.call("remove", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, options.names,
                       [](const process_view&, bool) { return "removed"; });
}

int wait(session& here, const act_options& options) {
  auto params = here.params();
  params.set("names", options.names).set("for", options.wait_for);
  auto code = int{done};
  auto refuse = [&](const error& why) {
    session::complain(why.text);
    if (code == done)
      code = run_exit_code_for(why);
    return code;
  };
  auto reply = here.call("wait", params);
  if (!reply)
    return refuse(reply.error());
  if (!reply->body().IsArray() || reply->body().Empty())
    return refuse({ec::no_such_process,
                   fmt::format("no process matches '{}'", options.names[0])});
  std::vector<const rapidjson::Value*> values;
  std::string out;
  for (auto& outcome : reply->body().GetArray()) {
    auto view = process_of(outcome);
    if (!view) {
      refuse(view.error());
      continue;
    }
    if (code == done)
      code = run_exit_code(*view);
    values.push_back(&outcome["process"]);
    out += status_line(*view, time_now(), here.shown()) + "\n";
  }
  if (here.options.json && !values.empty())
    emit_json(options.names, values);
  else if (!here.options.json && !here.options.quiet)
    session::emit(out);
  return code;
}

void add_force(CLI::App& verb, act_options& options, const std::string& about) {
  verb.add_flag("-f,--force", options.force, about);
}

} // namespace

void add_act_verbs(command_line& to) {
  auto add = [&](const std::string& name, const std::string& about,
                 const std::string& example, auto act) {
    auto options = std::make_shared<act_options>();
    auto& verb = to.add(name, about, example, [options, act](session& here) {
      return act(here, *options);
    });
    command_line::add_names(verb, options->names, true);
    return std::pair{&verb, options.get()};
  };

  auto [stop_verb, stop_options] =
    add("stop", "Stop processes; they stay down until started",
        "pmctl stop 'web*'", stop);
  add_force(*stop_verb, *stop_options, "SIGKILL at once");

  auto [restart_verb, restart_options] =
    add("restart", "Stop processes and start them again", "pmctl restart web",
        restart);
  add_force(*restart_verb, *restart_options, "SIGKILL at once");
  restart_verb->add_flag("--rolling", restart_options->rolling,
                         "One after the other, each when the one before is "
                         "ready; the first failure ends it");
  restart_verb
    ->add_option("--ready-within", restart_options->ready_within,
                 "With --rolling: how long each may take (60s)")
    ->type_name("T");

  auto [signal_verb, signal_options] = add(
    "signal", "Send a signal to processes", "pmctl signal -s HUP web", signal);
  signal_verb
    ->add_option("-s,--signal", signal_options->signal,
                 "TERM (the default), HUP, 10, ...")
    ->type_name("SIG");

  auto [rm_verb, rm_options] =
    add("rm", "Remove processes that are down, with their records",
        "pmctl rm old-job", remove);
  rm_verb->alias("remove");
  add_force(*rm_verb, *rm_options, "Kill the running ones first");

  auto [wait_verb, wait_options] = add(
    "wait", "Wait for processes, and exit as they did (the first that failed)",
    "pmctl wait web --for ready --timeout 30s", wait);
  wait_verb
    ->add_option("--for", wait_options->wait_for,
                 "started, ready, ended (the default), or a status")
    ->type_name("STATE")
    ->check(CLI::IsMember(std::vector<std::string>{
      "started", "ready", "ended", "pending", "starting", "running", "stopping",
      "stopped", "failed", "backoff", "unknown"}));
}

} // namespace pm::ctl
