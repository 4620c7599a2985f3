#include <algorithm>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/key_values.hpp"
#include "apps/pmctl/look_up.hpp"
#include "apps/pmctl/render_process.hpp"

// list, status, show.

namespace pm::ctl {

namespace {

struct list_options {
  std::vector<std::string> names;
  std::string kind;
  std::string status;
  std::vector<std::string> labels;
  std::string format;
};

template <class Enum>
std::vector<std::string> names_of() {
  auto& names = enum_names<Enum>::names;
  return {names.begin(), names.end()};
}

request_params list_params(const session& here, const list_options& options) {
  auto params = here.params();
  if (!options.names.empty())
    params.set("names", options.names);
  if (!options.kind.empty())
    params.set("kind", options.kind);
  if (!options.status.empty())
    params.set("status", options.status);
  if (options.format == "wide" || here.options.json)
    params.set("usage", true);
  return params;
}

// What the table shows of a view; reading the rest of a thousand of them takes
// longer than all else.
struct listed {
  process_view view;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    auto& v = x.view;
    return visit(
      field("handle_id", v.handle_id), field("status", v.status),
      field("ready", v.ready), field("pid", v.pid), field("run_id", v.run_id),
      field("command", v.command), field("uptime_ms", v.uptime),
      field("exit_code", v.exit_code), field("exit_signal", v.exit_signal),
      field("exit_reason", v.reason), field("cause", v.cause),
      field("restart_count", v.restart_count),
      field("cpu_percent", v.cpu_percent), field("rss_bytes", v.rss_bytes),
      field("processes", v.processes), field("threads", v.threads),
      field("descriptors", v.descriptors));
  }
};

expected<std::vector<process_view>> listed_views(const rapidjson::Value& x) {
  std::vector<listed> read;
  if (auto ok = json::read(x, read, "result"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  std::vector<process_view> views;
  views.reserve(read.size());
  for (auto& one : read)
    views.push_back(std::move(one.view));
  return views;
}

int list(session& here, const list_options& options) {
  auto params = list_params(here, options);
  if (!options.labels.empty()) {
    auto labels = parse_pairs(options.labels, "-l");
    if (!labels) {
      session::complain(labels.error().text);
      return usage;
    }
    params.set("labels", *labels);
  }
  auto reply = here.call("list", params);
  if (!reply)
    return session::refuse(reply.error());
  if (here.options.json && !here.options.quiet) {
    session::emit(json_line(reply->body()));
    return done;
  }
  auto views = listed_views(reply->body());
  if (!views)
    return session::refuse(views.error());
  std::string out;
  if (here.options.quiet)
    for (auto& x : *views)
      out += x.handle_id + "\n";
  else
    out = list_table(*views, options.format == "wide", here.shown());
  session::emit(out);
  return done;
}

int show_status(session& here, const std::vector<std::string>& names) {
  // Without a name all are shown, and nobody asks about one of them.
  auto asks_all = names.empty();
  auto found = look_up(here, asks_all ? std::vector<std::string>{"*"} : names,
                       here.options.json);
  if (!found)
    return session::refuse(found.error());
  int code = 0;
  std::string out;
  for (auto value : found->views) {
    auto view = view_of(*value);
    if (!view)
      return session::refuse(view.error());
    out += status_line(*view, time_now(), here.shown()) + "\n";
    code = std::max(code, lsb_exit_code(*view));
  }
  if (here.options.json)
    emit_json(names, found->views);
  else if (!here.options.quiet)
    session::emit(out);
  if (asks_all)
    return done;
  for (auto& why : found->missing) {
    session::complain(why.text);
    code = 4;
  }
  return code;
}

int show(session& here, const std::vector<std::string>& names) {
  // `show` measures the usage itself, since the look before.
  auto found = look_up(here, names, false);
  if (!found)
    return session::refuse(found.error());
  std::vector<control_message> replies;
  std::vector<const rapidjson::Value*> values;
  std::string out;
  for (auto value : found->views) {
    auto name = view_of(*value);
    if (!name)
      return session::refuse(name.error());
    auto params = here.params();
    params.set("name", name->handle_id);
    auto reply = here.call("show", params);
    if (!reply)
      return session::refuse(reply.error());
    auto view = view_of(reply->body());
    if (!view)
      return session::refuse(view.error());
    process_spec spec;
    if (reply->body().HasMember("spec"))
      if (auto ok = json::read(reply->body()["spec"], spec, "spec"); !ok)
        return session::refuse(ok.error());
    out += (out.empty() ? "" : "\n") + show_text(*view, spec, here.shown());
    replies.push_back(std::move(*reply));
  }
  for (auto& reply : replies)
    values.push_back(&reply.body());
  if (here.options.json && (!values.empty() || found->missing.empty()))
    emit_json(names, values);
  else
    session::emit(out);
  int code = done;
  for (auto& why : found->missing)
    code = session::refuse(why);
  return code;
}

} // namespace

void add_look_verbs(command_line& to) {
  auto options = std::make_shared<list_options>();
  auto& list_verb = to.add(
    "list", "Show a table of the processes", "pmctl list --status failed",
    [options](session& here) { return list(here, *options); });
  list_verb.alias("ls");
  list_verb.alias("ps");
  command_line::add_names(list_verb, options->names, false);
  list_verb.add_option("--kind", options->kind, "Only of this kind")
    ->type_name("KIND")
    ->check(CLI::IsMember(names_of<kind>()));
  list_verb.add_option("--status", options->status, "Only in this status")
    ->type_name("STATUS")
    ->check(CLI::IsMember(names_of<status>()));
  list_verb.add_option("-l,--label", options->labels, "Only with this label")
    ->type_name("KEY=VALUE")
    ->allow_extra_args(false);
  list_verb.add_option("-o,--output", options->format, "Show more columns")
    ->type_name("FORMAT")
    ->check(CLI::IsMember(std::vector<std::string>{"wide"}));

  auto names = std::make_shared<std::vector<std::string>>();
  auto& status_verb = to.add(
    "status", "Tell in a line how each process fares (exit code as the LSB)",
    "pmctl status web && echo up",
    [names](session& here) { return show_status(here, *names); });
  command_line::add_names(status_verb, *names, false);

  auto shown = std::make_shared<std::vector<std::string>>();
  auto& show_verb =
    to.add("show", "Show all that is known about a process", "pmctl show web",
           [shown](session& here) { return show(here, *shown); });
  command_line::add_names(show_verb, *shown, true);
}

} // namespace pm::ctl
