#include "registry/config/config_source.hpp"
#include "registry/migrate/old_entry.hpp"

// streamers.json of pctl: name -> streamer.

namespace pm::migrate {

namespace {

constexpr std::string_view prefix = "pctl";

const std::vector<std::string_view> fields{
  "name",       "connection_profile", "pid",        "status",
  "start_time", "stop_time",          "components", "log_level",
  "log_file",   "elasticsearch_url",  "batch_size", "flush_interval"};

// All but the name, and the log file, which has a place.
const std::vector<std::string_view> kept{
  "connection_profile", "pid",           "status",    "start_time",
  "stop_time",          "components",    "log_level", "elasticsearch_url",
  "batch_size",         "flush_interval"};

// True for "http://user:password@host/".
bool holds_password(std::string_view url) {
  auto begin = url.find("://");
  if (begin == std::string_view::npos)
    return false;
  url = url.substr(begin + 3);
  auto account = url.substr(0, url.find('/'));
  auto end = account.rfind('@');
  return end != std::string_view::npos
         && account.substr(0, end).find(':') != std::string_view::npos;
}

old_run read_run(old_entry& in) {
  old_run run;
  auto status = in.text("status", need::value).value_or("");
  run.running = status == "running";
  if (!run.running && status != "stopped")
    in.refuse_value("status", "\"running\" or \"stopped\"");
  run.pid = in.pid(run.running ? need::field : need::nothing);
  run.started_at = in.time("start_time", need::value).value_or(timestamp{});
  run.ended_at =
    in.time("stop_time", run.running ? need::nothing : need::field);
  return run;
}

} // namespace

bool looks_like_streamer(const json::value& in) {
  return in.IsObject()
         && (in.HasMember("connection_profile") || in.HasMember("components"));
}

expected<old_process> read_streamer(const json::value& in,
                                    const std::string& name) {
  old_entry entry{in, fields};
  old_process result;
  auto own_name = entry.text("name", need::value);
  if (own_name && *own_name != name)
    entry.refuse_value("name",
                       fmt::format("its key, {}", config::in_quotes(name)));
  result.run = read_run(entry);
  entry.text("connection_profile", need::field);
  entry.texts("components", true);
  entry.text("log_level", need::field);
  auto log_file = entry.text("log_file", need::field);
  auto url = entry.text("elasticsearch_url", need::field);
  entry.check_amount("batch_size", true);
  entry.check_amount("flush_interval", false);
  if (!entry.problem().empty())
    return fail(ec::format_refused, "{}", entry.problem());
  auto& spec = result.definition.spec;
  spec.kind = kind::command;
  result.definition.created_at = result.run.started_at;
  entry.keep(prefix, kept, spec);
  result.notes.push_back(
    fmt::format("connection_profile, components, log_level, "
                "elasticsearch_url, batch_size and flush_interval have no "
                "place of their own and are kept as labels {}.*",
                prefix));
  result.notes.push_back("it cannot be started again from its record: the file "
                         "does not tell its command");
  if (url && holds_password(*url))
    result.notes.push_back(
      fmt::format("elasticsearch_url holds a password, which the label {}."
                  "elasticsearch_url shows to all who may list processes",
                  prefix));
  place_log_file(log_file, prefix, result);
  return result;
}

} // namespace pm::migrate
