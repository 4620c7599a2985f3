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

// Asks for the kept events and shows them; gives the request's id.
expected<int> begin_events(session& here, bool follow, uint64_t since_seq) {
  auto params = here.params();
  params.set("follow", follow);
  if (since_seq > 0)
    params.set("since_seq", since_seq);
  auto reply = here.call("events", params);
  if (!reply)
    return tl::make_unexpected(std::move(reply.error()));
  if (reply->body().IsArray())
    for (auto& x : reply->body().GetArray())
      if (auto ok = show_event(here, x); !ok)
        return tl::make_unexpected(std::move(ok.error()));
  return reply->id;
}

// Shows events until the connection ends, and why it has.
error follow_events(session& here, int id) {
  auto node = here.node();
  if (!node)
    return node.error();
  for (;;) {
    auto message = (*node)->receive();
    if (!message)
      return message.error();
    if (message->is == control_message::what::failure)
      return message->why;
    if (message->id != id || message->method != "event")
      continue;
    if (auto ok = show_event(here, message->body()); !ok)
      return ok.error();
  }
}

int events(session& here, const events_options& options) {
  auto since_seq = options.since_seq;
  for (;;) {
    auto id = begin_events(here, options.follow, since_seq);
    if (!id)
      return session::refuse(id.error());
    if (!options.follow)
      return done;
    auto why = follow_events(here, *id);
    if (why.code != ec::unreachable)
      return session::refuse(why);
    session::complain(why.text + "; waiting for the next one");
    if (auto node = here.node_again(); !node)
      return session::refuse(node.error());
    since_seq = 0; // the next one counts anew
  }
}

} // namespace

void add_event_verbs(command_line& to) {
  auto options = std::make_shared<events_options>();
  auto& verb = to.add(
    "events", "Show what has happened to the processes", "pmctl events -f",
    [options](session& here) { return events(here, *options); });
  verb.add_flag("-f,--follow", options->follow,
                "Go on with what happens from now on, also when the node has "
                "died and is back");
  verb
    .add_option("--since-seq", options->since_seq,
                "Only events with a higher number")
    ->type_name("N");
}

} // namespace pm::ctl
