#include "apps/pm_node/control_session.hpp"

#include <algorithm>

#include <pm/caf_error.hpp>

#include "apps/pmctl/base64.hpp"
#include <pm/json_fields.hpp>

namespace pm {

namespace {

constexpr size_t open_requests_max = 64;

// JSON-RPC's own codes.
constexpr int not_json = -32700;
constexpr int not_a_request = -32600;
constexpr int no_such_method = -32601;
constexpr int bad_params = -32602;

std::string error_line(std::string_view id, int code, const error& why) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartObject();
  out.Key("jsonrpc");
  out.String("2.0");
  out.Key("id");
  out.RawValue(id.data(), id.size(), rapidjson::kStringType);
  out.Key("error");
  out.StartObject();
  out.Key("code");
  out.Int(code);
  out.Key("message");
  json::write_text(out, why.text);
  out.Key("data");
  out.StartObject();
  out.Key("code");
  json::write_text(out, to_string(why.code));
  out.EndObject();
  out.EndObject();
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

// The JSON text of a request's id: a number or a string.
std::string id_text(const rapidjson::Value& id) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  id.Accept(out);
  return {buffer.GetString(), buffer.GetSize()};
}

} // namespace

struct control_session_state::method {
  std::string_view name;
  void (control_session_state::*handle)(request, param_reader&) = nullptr;
};

const control_session_state::method*
control_session_state::find_method(std::string_view name) {
  using s = control_session_state;
  static constexpr method methods[] = {
    {"version", &s::version},   {"list", &s::list},
    {"show", &s::show},         {"start", &s::start},
    {"stop", &s::stop},         {"restart", &s::restart},
    {"remove", &s::remove},     {"signal", &s::signal},
    {"wait", &s::wait},         {"run", &s::run},
    {"events", &s::events},     {"cleanup", &s::cleanup},
    {"save", &s::save},         {"shutdown", &s::shutdown},
    {"history", &s::history},   {"why", &s::why},
    {"recover", &s::recover},   {"migrate", &s::migrate},
    {"upgrade", &s::upgrade},   {"reset", &s::reset},
    {"scale", &s::scale},       {"graph", &s::graph},
    {"diff", &s::diff},         {"apply", &s::apply},
    {"simulate", &s::simulate},
  };
  for (auto& x : methods)
    if (x.name == name)
      return &x;
  return nullptr;
}

const control_session_state::method*
control_session_state::find_notification(std::string_view name) {
  using s = control_session_state;
  static constexpr method methods[] = {
    {"stdin", &s::feed_stdin},
    {"stdin_close", &s::close_stdin},
    {"consumed", &s::consumed},
    {"run_signal", &s::run_signal},
  };
  for (auto& x : methods)
    if (x.name == name)
      return &x;
  return nullptr;
}

void control_session_state::init(pointer self,
                                 std::shared_ptr<const control_context> on,
                                 control_peer peer) {
  self_ = self;
  on_ = std::move(on);
  peer_ = std::move(peer);
}

// -- lines in -----------------------------------------------------------------

void control_session_state::receive(const std::string& line) {
  rapidjson::Document message;
  if (auto ok = json::parse(message, line); !ok) {
    peer_.send(
      error_line("null", not_json, {ec::protocol_violation, ok.error().text}));
    peer_.close();
    return;
  }
  std::string id = "null";
  if (message.IsObject() && message.HasMember("id")
      && (message["id"].IsNumber() || message["id"].IsString()))
    id = id_text(message["id"]);
  if (!message.IsObject() || !message.HasMember("method")
      || !message["method"].IsString()) {
    peer_.send(error_line(id, not_a_request,
                          {ec::protocol_violation,
                           "not a request: an object with \"method\" and "
                           "\"id\" expected"}));
    return;
  }
  auto* values = message.HasMember("params") ? &message["params"] : nullptr;
  std::string verb = message["method"].GetString();
  if (id == "null") { // a notification names its request in the parameters
    auto* known = find_notification(verb);
    if (known == nullptr || values == nullptr || !values->IsObject()
        || !values->HasMember("id"))
      return;
    request about;
    about.id = id_text((*values)["id"]);
    param_reader params{values};
    (this->*known->handle)(std::move(about), params);
    return;
  }
  auto* known = find_method(verb);
  if (known == nullptr) {
    peer_.send(error_line(
      id, no_such_method,
      {ec::not_supported, fmt::format("no method is named '{}'", verb)}));
    return;
  }
  if (open_.size() >= open_requests_max || !open_.insert(id).second) {
    peer_.send(error_line(id, -32000 - static_cast<int>(ec::busy),
                          {ec::busy, fmt::format("request {}: {} requests are "
                                                 "open, or this id is in use",
                                                 id, open_.size())}));
    return;
  }
  request x;
  x.id = id;
  x.verb = verb;
  param_reader params{values};
  (this->*known->handle)(std::move(x), params);
}

// Takes the parameters that every request may have; answers the request if a
// parameter is wrong.
bool control_session_state::accept(request& x, param_reader& params) {
  x.by.uid = peer_.uid;
  x.by.pid = peer_.pid;
  x.by.program = peer_.program;
  x.by.correlation_id = params.text("correlation_id").value_or(std::string{});
  if (x.by.correlation_id.size() > 128)
    params.reject("parameter 'correlation_id': at most 128 bytes");
  if (x.by.correlation_id.empty())
    x.by.correlation_id = make_correlation_id();
  x.by.request_id = params.text("request_id").value_or(std::string{});
  if (x.by.request_id.size() > 128)
    params.reject("parameter 'request_id': at most 128 bytes");
  if (auto ms = params.number("timeout_ms"); ms && x.verb != "run")
    x.deadline = caf::duration{milliseconds{*ms}};
  if (auto wait = params.flag("wait"))
    x.by.wait = *wait;
  if (auto ok = params.finish(); !ok) {
    peer_.send(error_line(x.id, bad_params, ok.error()));
    finish(x);
    return false;
  }
  on_->note(fmt::format("{} by uid {} pid {}, correlation {}{}{}", x.verb,
                        peer_.uid, peer_.pid, x.by.correlation_id,
                        x.by.request_id.empty() ? "" : ", request ",
                        x.by.request_id));
  return true;
}

// -- lines out ----------------------------------------------------------------

void control_session_state::reply(const request& x, std::string_view result) {
  peer_.send(fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{}}}",
                         x.id, result));
  finish(x);
}

void control_session_state::reject(const request& x, const error& why) {
  peer_.send(error_line(x.id, -32000 - static_cast<int>(why.code), why));
  finish(x);
}

// `members` are JSON members, beginning with "id".
void control_session_state::notify(std::string_view method,
                                   std::string_view members) {
  peer_.send(
    fmt::format("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{{{}}}}}",
                method, members));
}

void control_session_state::finish(const request& x) {
  open_.erase(x.id);
  if (input_ended_ && open_.empty() && events_id_.empty())
    peer_.close();
}

void control_session_state::input_ended() {
  input_ended_ = true;
  if (open_.empty() && events_id_.empty())
    peer_.close();
}

// -- the end ------------------------------------------------------------------

// A run belongs to its client; all else that was begun goes on.
void control_session_state::leave() {
  request_context by;
  by.uid = peer_.uid;
  by.pid = peer_.pid;
  by.program = peer_.program;
  by.correlation_id = make_correlation_id();
  for (auto& [id, handle] : runs_)
    caf::anon_send(on_->manager, stop_atom::value, handle, false, by);
  self_->quit();
}

control_session_actor::behavior_type
control_session(control_session_state::pointer self,
                std::shared_ptr<const control_context> on,
                std::shared_ptr<const control_peer> peer) {
  self->state.init(self, std::move(on), *peer);
  return {
    [self](line_atom, const std::string& line) { self->state.receive(line); },
    [self](end_atom) { self->state.input_ended(); },
    [self](gone_atom) { self->state.leave(); },
    [self](usage_atom, const std::string& id,
           const std::vector<process_view>& views,
           const std::vector<std::string>& trees) {
      self->state.usage_done(id, views, trees);
    },
    [self](event_atom, const process_event& event) {
      self->state.tell_event(event);
    },
    [self](dropped_atom, const std::string& why) {
      self->state.tell_dropped(why);
    },
    [self](spawned_atom, const process_view& view) {
      self->state.tell_started(view);
    },
    [self](output_atom, const std::string& handle_id, stream which,
           const std::string& chunk) {
      self->state.tell_output(handle_id, which, chunk);
    },
  };
}

} // namespace pm
