#include <cstdlib>

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/top_session.hpp"

// top.

namespace pm::ctl {

namespace {

struct options {
  std::vector<std::string> names;
  std::string every = "2s";
  std::string order = "cpu";
  bool once = false;
};

// One table, for scripts and for those without a terminal.
int show_once(session& here, const options& what, top_order order) {
  auto params = here.params();
  params.set("trees", true);
  if (!what.names.empty())
    params.set("names", what.names);
  auto reply = here.call("list", params);
  if (!reply)
    return session::refuse(reply.error());
  if (here.options.json) {
    session::emit(json_line(reply->body()));
    return done;
  }
  std::vector<top_process> all;
  if (auto ok = json::read(reply->body(), all, "result"); !ok)
    return session::refuse(ok.error());
  top_view view;
  if (order != top_order::cpu)
    view.sort_by(order);
  view.take(std::move(all));
  std::string out = view.summary() + "\n";
  for (auto& line : view.lines(0, here.shown()))
    out += line + "\n";
  session::emit(out);
  return done;
}

int top(session& here, const options& what) {
  auto every = parse_timeout(what.every);
  if (!every || every->count() < 100) {
    session::complain(every ? "--every: at least 100ms"
                            : "--every: " + every.error().text);
    return usage;
  }
  auto order = from_name<top_order>(what.order).value_or(top_order::cpu);
  auto* kind = getenv("TERM");
  auto is_live = here.shown().terminal && isatty(STDIN_FILENO) == 1
                 && kind != nullptr && std::string_view{kind} != "dumb";
  if (what.once || here.options.json || !is_live)
    return show_once(here, what, order);
  top_session live{here, what.names, *every};
  if (order != top_order::cpu)
    live.sort_by(order);
  return live.run();
}

} // namespace

void add_top_verb(command_line& to) {
  auto what = std::make_shared<options>();
  auto& verb =
    to.add("top", "Show live what the processes use", "pmctl top --sort memory",
           [what](session& here) { return top(here, *what); });
  command_line::add_names(verb, what->names, false);
  verb.add_flag("--once", what->once,
                "Print one table and exit; so also without a terminal");
  verb.add_option("--every", what->every, "How often to look (2s)")
    ->type_name("TIME");
  auto& names = enum_names<top_order>::names;
  verb.add_option("--sort", what->order, "What to sort by (cpu)")
    ->type_name("ORDER")
    ->check(
      CLI::IsMember(std::vector<std::string>{names.begin(), names.end()}));
}

} // namespace pm::ctl
