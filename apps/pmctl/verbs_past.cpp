#include <algorithm>
#include <iterator>

#include <CLI/App.hpp>

#include "apps/pmctl/asking.hpp"
#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/look_up.hpp"
#include "apps/pmctl/render_history.hpp"

// history, why, recover.

namespace pm::ctl {

namespace {

struct past_options {
  std::vector<std::string> names;
  std::optional<uint64_t> count; // of runs
};

struct answers {
  std::vector<control_message> replies;
  int code = done; // of the first failure, which has been told
};

// Asks about each process that is named.
answers ask_each(session& here, const char* method,
                 const past_options& options) {
  answers found;
  auto refuse = [&](const error& why) {
    auto code = session::refuse(why);
    if (found.code == done)
      found.code = code;
  };
  for (auto& name : options.names) {
    auto ids = ids_of(here, name);
    if (!ids) {
      refuse(ids.error());
      continue;
    }
    for (auto& id : *ids) {
      auto params = here.params();
      params.set("name", id);
      if (options.count)
        params.set("count", *options.count);
      auto reply = here.call(method, params);
      if (reply)
        found.replies.push_back(std::move(*reply));
      else
        refuse(reply.error());
    }
  }
  return found;
}

int history(session& here, const past_options& options) {
  auto found = ask_each(here, "history", options);
  std::vector<ended_run> runs;
  std::vector<const rapidjson::Value*> values;
  for (auto& reply : found.replies) {
    std::vector<ended_run> known;
    if (auto ok = json::read(reply.body(), known, "result"); !ok)
      return session::refuse(ok.error());
    std::move(known.begin(), known.end(), std::back_inserter(runs));
    for (auto& value : reply.body().GetArray())
      values.push_back(&value);
  }
  if (found.replies.empty())
    return found.code;
  std::stable_sort(runs.begin(), runs.end(),
                   [](auto& a, auto& b) { return a.ended_at > b.ended_at; });
  if (here.options.json)
    emit_array(values);
  else
    session::emit(history_table(runs, time_now(), here.shown()));
  return found.code;
}

int why(session& here, const past_options& options) {
  auto found = ask_each(here, "why", options);
  std::vector<const rapidjson::Value*> values;
  std::string out;
  for (auto& reply : found.replies) {
    process_reasons known;
    if (auto ok = json::read(reply.body(), known, "result"); !ok)
      return session::refuse(ok.error());
    out += out.empty() ? "" : "\n";
    out += reasons_text(known, time_now(), here.shown());
    values.push_back(&reply.body());
  }
  if (values.empty())
    return found.code;
  if (here.options.json)
    emit_json(options.names, values);
  else
    session::emit(out);
  return found.code;
}

} // namespace

void add_past_verbs(command_line& to) {
  auto past = std::make_shared<past_options>();
  past->count = 20;
  auto& history_verb = to.add(
    "history", "Show how the last runs of a process ended, and who asked",
    "pmctl history web -n 5",
    [past](session& here) { return history(here, *past); });
  command_line::add_names(history_verb, past->names, true);
  history_verb
    .add_option("-n,--count", past->count, "So many runs of each at most (20)")
    ->type_name("N");

  auto asked = std::make_shared<past_options>();
  auto& why_verb = to.add(
    "why", "Tell why a process is as it is: who asked, what was before",
    "pmctl why web", [asked](session& here) { return why(here, *asked); });
  command_line::add_names(why_verb, asked->names, true);

  auto report = std::make_shared<bool>(false);
  auto& recover_verb =
    to.add("recover", "Tell what the node found when it began",
           "pmctl recover --report", [](session& here) {
             return ask<recovery_report>(here, "recover", here.params(),
                                         recovery_text);
           });
  recover_verb
    .add_flag("--report", *report, "What was adopted, ended, lost, damaged")
    ->required();
}

} // namespace pm::ctl
