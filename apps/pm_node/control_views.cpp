#include "apps/pm_node/control_session.hpp"

#include <unistd.h>

#include <pm/caf_error.hpp>
#include <pm/config.hpp>

#include "actors/supervision.hpp"
#include "apps/pm_node/outcome_json.hpp"
#include "apps/pm_node/version.hpp"
#include "apps/pmctl/base64.hpp"
#include <pm/json_fields.hpp>

// The verbs that look, and `run` with its streams.

namespace pm {

namespace {

std::string views_json(const std::vector<process_view>& views) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write(out, views);
  return {buffer.GetString(), buffer.GetSize()};
}

// The JSON of an object without its braces, to be put among other members.
std::string members_of(const std::string& object) {
  return object.substr(1, object.size() - 2);
}

std::string with_trees_json(const std::vector<process_view>& views,
                            const std::vector<std::string>& trees) {
  std::string out = "[";
  for (size_t i = 0; i < views.size(); ++i)
    out += fmt::format("{}{{{},\"tree\":{}}}", i == 0 ? "" : ",",
                       members_of(to_json(views[i])), trees[i]);
  return out + "]";
}

std::string_view stream_name(stream x) {
  return x == stream::stdout_stream ? "stdout" : "stderr";
}

} // namespace

void control_session_state::version(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartObject();
  auto text = [&](const char* name, std::string_view value) {
    out.Key(name);
    json::write_text(out, value);
  };
  text("program", "pm-node");
  text("version", program_version);
  out.Key("protocol");
  out.Int(1);
  text("node", on_->node_name);
  out.Key("pid");
  out.Int(::getpid());
  out.Key("keeper_pid");
  out.Int(on_->keeper_pid());
  text("state_dir", on_->state_dir);
  text("program_path", on_->program_path());
  text("started_at", format_timestamp(on_->started_at));
  out.EndObject();
  reply(x, {buffer.GetString(), buffer.GetSize()});
}

void control_session_state::list(request x, param_reader& params) {
  list_filter filter;
  filter.names = params.texts("names");
  filter.labels = params.text_map("labels");
  if (auto text = params.text("kind")) {
    filter.kind = from_name<kind>(*text);
    if (!filter.kind)
      params.reject(fmt::format("parameter 'kind': '{}' is none of command, "
                                "function, python, task",
                                *text));
  }
  if (auto text = params.text("status")) {
    filter.status = from_name<status>(*text);
    if (!filter.status)
      params.reject(fmt::format("parameter 'status': '{}' is none of {}", *text,
                                fmt::join(enum_names<status>::names, ", ")));
  }
  auto trees = params.flag("trees").value_or(false);
  auto usage = params.flag("usage").value_or(false) || trees;
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, list_atom::value, filter)
    .then(
      [this, x, usage, trees](std::vector<process_view>& views) {
        if (!usage)
          return reply(x, views_json(views));
        sample(x, std::move(views), trees);
      },
      [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

// Fills in what the processes use; goes on in usage_done.
void control_session_state::sample(const request& x,
                                   std::vector<process_view> views,
                                   bool with_trees) {
  for (auto& view : views)
    if (auto run = run_id::parse(view.run_id); run && view.pid)
      view.dropped_bytes = on_->dropped_bytes(*run);
  on_->usage->submit(std::move(views), with_trees,
                     [me = control_session_actor{self_},
                      id = x.id](std::vector<process_view> filled,
                                 std::vector<std::string> trees) {
                       caf::anon_send(me, usage_atom::value, id,
                                      std::move(filled), std::move(trees));
                     });
}

void control_session_state::usage_done(const std::string& id,
                                       const std::vector<process_view>& views,
                                       const std::vector<std::string>& trees) {
  request x;
  x.id = id;
  if (!trees.empty())
    return reply(x, with_trees_json(views, trees));
  auto shown = specs_.find(id);
  if (shown == specs_.end())
    return reply(x, views_json(views));
  auto spec = std::move(shown->second);
  specs_.erase(shown);
  reply(x, fmt::format("{{{},\"spec\":{}}}", members_of(to_json(views.front())),
                       spec));
}

void control_session_state::show(request x, param_reader& params) {
  auto name = params.required_text("name");
  if (!accept(x, params))
    return;
  auto view = std::make_shared<process_view>();
  self_->request(on_->manager, x.deadline, status_atom::value, name)
    .then([view](process_view& v) { *view = std::move(v); },
          [](const caf::error&) {
            // The next request, for the same name, is answered alike.
          });
  self_->request(on_->manager, x.deadline, get_atom::value, name)
    .then(
      [this, x, view](const process_record& record) {
        auto spec = record.definition.spec;
        spec.environment = shown_environment(spec);
        specs_[x.id] = to_json(spec);
        sample(x, {std::move(*view)});
      },
      [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::wait(request x, param_reader& params) {
  auto many = params.has("names");
  auto names = params.texts("names");
  auto name = many ? std::string{} : params.required_text("name");
  auto text = params.text("for").value_or("ended");
  auto target = from_name<wait_target>(text);
  if (!target)
    params.reject(fmt::format("parameter 'for': '{}' is none of {}", text,
                              fmt::join(enum_names<wait_target>::names, ", ")));
  if (!accept(x, params))
    return;
  auto late = [text](const std::string& id, const caf::error& why) {
    auto ours = from_caf(why);
    if (ours.code == ec::timeout)
      ours.text =
        fmt::format("wait '{}': not {} within the time given", id, text);
    return ours;
  };
  if (!many) {
    self_->request(on_->manager, x.deadline, wait_atom::value, name, *target)
      .then([this, x](const process_view& view) { reply(x, to_json(view)); },
            [=, this](const caf::error& why) { reject(x, late(name, why)); });
    return;
  }
  for_each_name(x, std::move(names), [=, this](auto& id, auto done) {
    self_->request(on_->manager, x.deadline, wait_atom::value, id, *target)
      .then(
        [id, done](const process_view& view) {
          done(outcome_json(id, change_outcome{false, view}));
        },
        [id, done, late](const caf::error& why) {
          done(outcome_json(id, late(id, why)));
        });
  });
}

// -- events -------------------------------------------------------------------

void control_session_state::events(request x, param_reader& params) {
  auto follow = params.flag("follow").value_or(false);
  auto since = params.number("since_seq").value_or(0);
  if (!accept(x, params))
    return;
  auto tell = [this, x](const std::vector<process_event>& recent) {
    rapidjson::StringBuffer buffer;
    json::writer out{buffer};
    json::write(out, recent);
    reply(x, {buffer.GetString(), buffer.GetSize()});
  };
  auto refuse = [this, x](const caf::error& why) { reject(x, from_caf(why)); };
  if (!follow) {
    self_->request(on_->manager, x.deadline, events_atom::value, since)
      .then(tell, refuse);
    return;
  }
  if (!events_id_.empty())
    return reject(x, {ec::busy, fmt::format("request {} follows the events of "
                                            "this connection already",
                                            events_id_)});
  events_id_ = x.id;
  self_
    ->request(on_->manager, caf::infinite, subscribe_atom::value,
              event_listener{self_}, since)
    .then(tell, refuse);
}

void control_session_state::tell_event(const process_event& event) {
  notify("event",
         fmt::format("\"id\":{},{}", events_id_, members_of(to_json(event))));
}

void control_session_state::tell_dropped(const std::string& why) {
  on_->note(fmt::format("events to pid {} ended: {}", peer_.pid, why));
  peer_.close();
}

// -- run ----------------------------------------------------------------------

void control_session_state::run(request x, param_reader& params) {
  run_request what;
  what.handle_id = params.text("name").value_or(make_handle_id());
  auto spec = params.raw_object("spec");
  what.environment = params.text_map("environment");
  auto dir = params.text("working_dir").value_or("/");
  if (auto ms = params.number("timeout_ms"))
    what.timeout = milliseconds{*ms};
  what.stdin_pipe = params.flag("stdin").value_or(false);
  what.stream = params.flag("stream").value_or(false);
  if (!accept(x, params))
    return;
  auto parsed = parse_process(what.handle_id, spec.value_or("{}"), dir);
  if (!parsed)
    return reject(x, {ec::bad_config, to_string(parsed.error())});
  if (parsed->size() != 1)
    return reject(
      x, {ec::invalid_argument,
          fmt::format("run '{}': replicas cannot be run", what.handle_id)});
  what.spec = std::move(parsed->front().spec);
  runs_[x.id] = what.handle_id;
  self_
    ->request(on_->manager, caf::infinite, run_atom::value, std::move(what),
              output_listener{self_}, x.by)
    .then(
      [this, x](const process_result& result) {
        runs_.erase(x.id);
        auto code = result.exit.code ? std::to_string(*result.exit.code)
                                     : std::string{"null"};
        reply(x,
              fmt::format("{{{},\"exit_code\":{},\"success\":{}}}",
                          members_of(to_json(result)), code, result.success()));
      },
      [this, x](const caf::error& why) {
        runs_.erase(x.id);
        reject(x, from_caf(why));
      });
}

const std::string* control_session_state::run_of(const std::string& id) const {
  auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : &found->second;
}

void control_session_state::tell_started(const process_view& view) {
  for (auto& [id, handle] : runs_)
    if (handle == view.handle_id)
      notify("started", fmt::format("\"id\":{},\"handle_id\":\"{}\",\"pid\":{},"
                                    "\"run_id\":\"{}\"",
                                    id, view.handle_id, view.pid.value_or(0),
                                    view.run_id));
}

void control_session_state::tell_output(const std::string& handle_id,
                                        stream which,
                                        const std::string& chunk) {
  for (auto& [id, handle] : runs_)
    if (handle == handle_id)
      notify("output", fmt::format("\"id\":{},\"stream\":\"{}\",\"data\":"
                                   "\"{}\"",
                                   id, stream_name(which), to_base64(chunk)));
}

void control_session_state::feed_stdin(request x, param_reader& params) {
  auto* handle = run_of(x.id);
  auto bytes = from_base64(params.text("data").value_or(std::string{}));
  auto ready = [this, id = x.id](bool closed) {
    notify("stdin_ready",
           fmt::format("\"id\":{}{}", id, closed ? ",\"closed\":true" : ""));
  };
  if (handle == nullptr || !bytes)
    return ready(true);
  self_
    ->request(on_->manager, caf::infinite, feed_atom::value, *handle,
              std::move(*bytes))
    .then([ready](bool) { ready(false); },
          [ready](const caf::error&) { ready(true); });
}

void control_session_state::close_stdin(request x, param_reader&) {
  if (auto* handle = run_of(x.id))
    self_->send(on_->manager, close_in_atom::value, *handle);
}

void control_session_state::consumed(request x, param_reader& params) {
  auto* handle = run_of(x.id);
  auto which = params.text("stream").value_or("stdout") == "stderr"
                 ? stream::stderr_stream
                 : stream::stdout_stream;
  if (handle != nullptr)
    self_->send(on_->manager, consumed_atom::value, *handle, which,
                params.number("bytes").value_or(0));
}

void control_session_state::run_signal(request x, param_reader& params) {
  auto* handle = run_of(x.id);
  auto number = parse_signal(params.text("signal").value_or("TERM"));
  if (handle == nullptr || !number)
    return;
  self_
    ->request(on_->manager, caf::infinite, signal_atom::value, *handle, *number,
              x.by)
    .then([](const change_outcome&) {},
          [](const caf::error&) {
            // It has ended; the reply of the run says how.
          });
}

} // namespace pm
