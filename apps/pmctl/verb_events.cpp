#include <CLI/App.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/render_process.hpp"

// events.

namespace pm::ctl {

namespace {

struct events_options {
  bool follow = false;
  uint64_t since_seq = 0;
};

// Shows one event; passes over the `id` of the notification that brought it.
expected<void> show_event(const session& here, const rapidjson::Value& x) {
  process_event event;
  if (auto ok = json::read(x, event, "event"); !ok)
    return ok;
  session::emit(here.options.json ? to_json(event) + "\n"
                                  : event_line(event, here.shown()) + "\n");
  return {};
}

int follow_events(session& here, int id) {
  auto node = here.node();
  if (!node)
    return session::refuse(node.error());
  for (;;) {
    auto message = (*node)->receive();
    if (!message)
      return session::refuse(message.error());
    if (message->is == control_message::what::failure)
      return session::refuse(message->why);
    if (message->id != id || message->method != "event")
      continue;
    if (auto ok = show_event(here, message->body()); !ok)
      return session::refuse(ok.error());
  }
}

int events(session& here, const events_options& options) {
  auto params = here.params();
  params.set("follow", options.follow);
  if (options.since_seq > 0)
    params.set("since_seq", options.since_seq);
  auto reply = here.call("events", params);
  if (!reply)
    return session::refuse(reply.error());
  if (reply->body().IsArray())
    for (auto& x : reply->body().GetArray())
      if (auto ok = show_event(here, x); !ok)
        return session::refuse(ok.error());
  return options.follow ? follow_events(here, reply->id) : int{done};
}

} // namespace

void add_event_verbs(command_line& to) {
  auto options = std::make_shared<events_options>();
  auto& verb = to.add(
    "events", "Show what has happened to the processes", "pmctl events -f",
    [options](session& here) { return events(here, *options); });
  verb.add_flag("-f,--follow", options->follow,
                "Go on with what happens from now on");
  verb
    .add_option("--since-seq", options->since_seq,
                "Only events with a higher number")
    ->type_name("N");
}

} // namespace pm::ctl
