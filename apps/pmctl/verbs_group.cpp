#include <charconv>

#include <CLI/App.hpp>

#include <pm/config_diff.hpp>
#include <pm/restart_table.hpp>

#include "apps/pmctl/asking.hpp"
#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/outcomes.hpp"
#include "apps/pmctl/render_graph.hpp"
#include "apps/pmctl/terminal_text.hpp"

// graph, simulate, scale, reset, diff, apply.

namespace pm::ctl {

namespace {

std::string plain_words(const process_view& x, bool) {
  auto words = std::string{to_string(x.status)};
  return x.pid ? fmt::format("{} (pid {})", words, *x.pid) : words;
}

// -- simulate -----------------------------------------------------------------

// "1", "0", "kill", "SIGTERM", each with a run time, as in "1@30s".
expected<assumed_end> parse_end(const std::string& word) {
  assumed_end end;
  auto at = word.find('@');
  auto how = word.substr(0, at);
  if (at != std::string::npos) {
    auto uptime = parse_duration(word.substr(at + 1));
    if (!uptime)
      return tl::make_unexpected(uptime.error());
    end.uptime = *uptime;
  }
  int code = 0;
  auto* last = how.data() + how.size();
  if (auto [stop, bad] = std::from_chars(how.data(), last, code);
      !how.empty() && stop == last && bad == std::errc{}) {
    if (code < 0 || code > 255)
      return fail(ec::invalid_argument, "{}: an exit code is 0 to 255", word);
    end.exit = {exit_reason::exited, code, {}};
    return end;
  }
  for (auto& c : how)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  auto number = parse_signal(how);
  if (!number)
    return fail(ec::invalid_argument,
                "{}: an exit code or a signal's name, with @ and a run time "
                "where it ran for a while, as in 1,kill,1@30s",
                word);
  end.exit = {exit_reason::signaled, {}, *number};
  return end;
}

expected<std::vector<assumed_end>> parse_ends(const std::string& text) {
  std::vector<assumed_end> ends;
  for (size_t begin = 0; begin <= text.size();) {
    auto comma = std::min(text.find(',', begin), text.size());
    auto end = parse_end(text.substr(begin, comma - begin));
    if (!end)
      return tl::make_unexpected(end.error());
    ends.push_back(*end);
    begin = comma + 1;
  }
  return ends;
}

std::string timetable(const std::vector<timetable_row>& rows, const look& how) {
  std::vector<std::vector<cell>> cells;
  for (auto& x : rows)
    cells.push_back({{std::to_string(x.run)},
                     {format_duration(x.starts)},
                     {format_duration(x.ends)},
                     {describe(x.exit)},
                     {std::string{to_string(x.then)}},
                     {x.restarts ? format_duration(x.delay) : "-"},
                     {printable(x.restarts ? "" : x.text)}});
  return render_table({{"RUN", true},
                       {"STARTS", true},
                       {"ENDS", true},
                       {"EXIT"},
                       {"THEN"},
                       {"DELAY", true},
                       {"WHY"}},
                      cells, how);
}

int simulate(session& here, const std::string& name, const std::string& exits) {
  auto ends = parse_ends(exits);
  if (!ends) {
    session::complain("--exits: " + ends.error().text);
    return usage;
  }
  auto params = here.params();
  params.set("name", name).set("ends", *ends);
  return ask<std::vector<timetable_row>>(
    here, "simulate", std::move(params),
    [&](auto& rows) { return timetable(rows, here.shown()); });
}

// -- scale, reset -------------------------------------------------------------

int scale(session& here, const std::string& word) {
  auto equals = word.find('=');
  uint64_t count = 0;
  auto* first = word.data() + std::min(equals, word.size() - 1) + 1;
  auto* last = word.data() + word.size();
  if (equals == std::string::npos || equals == 0
      || std::from_chars(first, last, count).ptr != last || first == last) {
    session::complain(fmt::format("scale {}: NAME=N expected", word));
    return usage;
  }
  auto name = word.substr(0, equals);
  auto params = here.params();
  params.set("name", name)
    .set("replicas", count)
    .set("wait", here.options.wait);
  auto reply = here.call("scale", params);
  if (!reply)
    return session::refuse(reply.error());
  if (reply->body().IsArray() && reply->body().Empty()) {
    session::emit(here.options.json ? "[]\n"
                  : here.options.quiet
                    ? ""
                    : fmt::format("{}: {} run already\n", name, count));
    return done;
  }
  return show_outcomes(here, *reply, {name}, plain_words);
}

int reset(session& here, const std::vector<std::string>& names) {
  auto params = here.params();
  params.set("names", names);
  auto reply = here.call("reset", params);
  if (!reply)
    return session::refuse(reply.error());
  return show_outcomes(here, *reply, names,
                       [](const process_view& x, bool changed) {
                         return fmt::format("{} ({})",
                                            changed ? "reset"
                                                    : "nothing to "
                                                      "reset",
                                            to_string(x.status));
                       });
}

// -- diff, apply --------------------------------------------------------------

std::string key_lines(const std::vector<key_change>& keys) {
  std::string out;
  for (auto& x : keys)
    out += printable(fmt::format("    {}: {} -> {}{}", x.key, x.before, x.after,
                                 x.restarts ? "  (needs a restart)" : ""))
           + "\n";
  return out;
}

std::string diff_text(const config_diff& x) {
  std::string out;
  if (!x.node.empty())
    out += "~ node\n" + key_lines(x.node);
  for (auto& process : x.processes) {
    auto sign = process.change == config_change::added     ? '+'
                : process.change == config_change::removed ? '-'
                                                           : '~';
    out +=
      fmt::format("{} {}{}\n", sign, printable(process.handle_id),
                  process.change == config_change::changed
                    ? (process.restarts ? "  restarts" : "  does not restart")
                    : "");
    out += key_lines(process.keys);
  }
  if (out.empty())
    out = "nothing to change\n";
  return out;
}

int apply(session& here) {
  auto params = here.params();
  params.set("wait", here.options.wait);
  auto reply = here.call("apply", params);
  if (!reply)
    return session::refuse(reply.error());
  auto& body = reply->body();
  config_diff difference;
  if (!body.IsObject() || !body.HasMember("diff")
      || !body.HasMember("outcomes"))
    return session::refuse({ec::format_refused, "apply: not an answer"});
  if (auto ok = json::read(body["diff"], difference, "diff"); !ok)
    return session::refuse(ok.error());
  if (here.options.json)
    session::emit(json_line(body));
  else if (!here.options.quiet)
    session::emit(diff_text(difference));
  auto code = static_cast<int>(done);
  for (auto& x : body["outcomes"].GetArray())
    if (x.HasMember("error") && x["error"].HasMember("message")
        && x["error"]["message"].IsString()) {
      session::complain(x["error"]["message"].GetString());
      code = failed;
    }
  return code;
}

void add_graph_verb(command_line& to) {
  auto dot = std::make_shared<bool>(false);
  auto& verb = to.add("graph", "Draw who waits for whom",
                      "pmctl graph --dot | dot -Tsvg", [dot](session& here) {
                        return ask<std::vector<graph_node>>(
                          here, "graph", here.params(), [&](auto& nodes) {
                            return *dot ? graph_dot(nodes)
                                        : graph_tree(nodes, here.shown());
                          });
                      });
  verb.add_flag("--dot", *dot, "In the language of dot(1)");
}

} // namespace

void add_group_look_verbs(command_line& to) {
  add_graph_verb(to);
  struct simulation {
    std::string name;
    std::string exits;
  };
  auto x = std::make_shared<simulation>();
  auto& verb = to.add(
    "simulate", "Tell when a process would restart, if its runs ended so",
    "pmctl simulate web --exits 1,1,0,kill,1@30s",
    [x](session& here) { return simulate(here, x->name, x->exits); });
  verb.add_option("NAME", x->name, "The handle id")->type_name("")->required();
  verb
    .add_option("--exits", x->exits,
                "Exit codes and signals; @T after one is how long that run "
                "takes")
    ->type_name("LIST")
    ->required();
}

void add_group_act_verbs(command_line& to) {
  auto word = std::make_shared<std::string>();
  auto& scale_verb = to.add(
    "scale", "Run this many replicas, until a configuration is applied next",
    "pmctl scale web=4", [word](session& here) { return scale(here, *word); });
  scale_verb.add_option("NAME=N", *word, "A replicated process, and how many")
    ->type_name("")
    ->required();
  auto names = std::make_shared<std::vector<std::string>>();
  auto& reset_verb =
    to.add("reset", "Clear failures and the restart budget", "pmctl reset web",
           [names](session& here) { return reset(here, *names); });
  command_line::add_names(reset_verb, *names, true);
}

void add_config_verbs(command_line& to) {
  to.add("diff", "Show what the config file would change", "pmctl diff",
         [](session& here) {
           return ask<config_diff>(here, "diff", here.params(), diff_text);
         });
  to.add("apply", "Take up the config file: do what 'diff' shows",
         "pmctl apply", apply);
}

} // namespace pm::ctl
