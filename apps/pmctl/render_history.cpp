#include "apps/pmctl/render_history.hpp"

#include <algorithm>
#include <ctime>

#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

std::string local_text(timestamp x, const char* format) {
  auto seconds =
    std::chrono::duration_cast<std::chrono::seconds>(x.time_since_epoch())
      .count();
  std::time_t time = seconds;
  std::tm parts{};
  ::localtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), format, &parts)};
}

// The short form, for a column.
std::string who(const asker& x) {
  if (x.uid < 0 || x.cause != cause::user)
    return std::string{to_string(x.cause)};
  return fmt::format("uid {} {}[{}]", x.uid,
                     x.program.empty() ? "?" : printable(x.program), x.pid);
}

std::string how_long(const ended_run& x) {
  return x.started_at ? format_age(x.ended_at - *x.started_at) : "-";
}

hue hue_of_exit(const ended_run& x) {
  if (x.exit.reason == exit_reason::lost)
    return hue::magenta;
  if (x.ended || (x.exit.code && *x.exit.code == 0))
    return hue::none;
  return hue::red;
}

std::string times(size_t n) {
  return n == 1 ? "once" : n == 2 ? "twice" : fmt::format("{} times", n);
}

std::string what_is_now(const process_reasons& x, timestamp now) {
  auto& p = x.process;
  auto& name = p.handle_id;
  if (is_alive(p.status) && p.pid && p.started_at)
    return fmt::format("{} is {}, pid {}, since {}", name, to_string(p.status),
                       *p.pid, clock_text(*p.started_at, now));
  auto text = fmt::format("{} is {}", name, to_string(p.status));
  if (p.ended_at && !is_alive(p.status))
    text += fmt::format(" since {}", clock_text(*p.ended_at, now));
  return text;
}

// One line for each row of runs that ended alike.
std::string what_was(const std::vector<ended_run>& runs, size_t from,
                     timestamp now) {
  std::string out;
  for (size_t i = from; i < runs.size();) {
    auto& x = runs[i];
    size_t same = i + 1;
    while (same < runs.size() && runs[same].exit == x.exit
           && runs[same].started.cause == x.started.cause && !runs[same].ended
           && !x.ended)
      ++same;
    auto verb = x.started.cause == cause::policy ? "restarted" : "started";
    if (same - i > 1)
      out += fmt::format("  {} {} {}: {} each time, last at {}\n", verb,
                         asker_text(x.started), times(same - i),
                         describe(x.exit), clock_text(x.ended_at, now));
    else
      out += fmt::format(
        "  {} {} {}: {} at {}{}{}\n", verb,
        x.started_at ? clock_text(*x.started_at, now) : "in vain",
        asker_text(x.started), describe(x.exit), clock_text(x.ended_at, now),
        x.ended ? ", as asked " + asker_text(*x.ended) : "",
        x.text.empty() ? "" : " (" + printable(x.text) + ")");
    i = same;
  }
  return out;
}

} // namespace

std::string clock_text(timestamp x, timestamp now) {
  auto same_day = local_text(x, "%F") == local_text(now, "%F");
  return local_text(x, same_day ? "%T" : "%F %T");
}

std::string asker_text(const asker& x) {
  if (x == asker{})
    return "by another program";
  auto is_person = x.uid >= 0;
  auto person =
    fmt::format("uid {} ({} pid {})", x.uid,
                x.program.empty() ? "a program" : printable(x.program), x.pid);
  std::string text;
  if (x.cause != cause::user)
    text = fmt::format("by {}{}", to_string(x.cause),
                       is_person ? ", as asked by " + person : "");
  else
    text = "by " + (is_person ? person : "the program around the node");
  if (!x.correlation_id.empty() && (x.cause == cause::user || is_person))
    text += ", correlation " + printable(x.correlation_id);
  return text;
}

std::string history_table(const std::vector<ended_run>& runs, timestamp now,
                          const look& how) {
  auto several = std::any_of(runs.begin(), runs.end(), [&](auto& x) {
    return x.handle_id != runs.front().handle_id;
  });
  std::vector<column> columns{{"ENDED"},      {"RAN"},      {"EXIT"},
                              {"STARTED BY"}, {"ENDED BY"}, {"RUN"}};
  if (several)
    columns.insert(columns.begin(), {"NAME"});
  std::vector<std::vector<cell>> rows;
  for (auto& x : runs) {
    rows.push_back({{clock_text(x.ended_at, now)},
                    {how_long(x)},
                    {describe(x.exit), hue_of_exit(x)},
                    {who(x.started)},
                    {x.ended ? who(*x.ended) : "-"},
                    {x.run_id.str()}});
    if (several)
      rows.back().insert(rows.back().begin(), {printable(x.handle_id)});
  }
  return render_table(columns, rows, how);
}

std::string reasons_text(const process_reasons& x, timestamp now,
                         const look& how) {
  auto& p = x.process;
  auto out = coloured(what_is_now(x, now), hue_of(p), how) + "\n";
  if (!p.status_text.empty())
    out += fmt::format("  {}\n", printable(p.status_text));
  size_t told = 0;
  if (is_alive(p.status)) {
    out += fmt::format("  started {} {}\n",
                       clock_text(p.started_at.value_or(x.run_asked.at), now),
                       asker_text(x.run_asked));
    if (x.asked != x.run_asked)
      out += fmt::format("  then asked {} {}\n", clock_text(x.asked.at, now),
                         asker_text(x.asked));
  } else if (!x.history.empty()) {
    auto& last = x.history.front();
    if (x.asked.cause == cause::user && x.asked != x.run_asked
        && x.asked.at >= last.ended_at) // while none of its runs was alive
      out += fmt::format("  asked to be so {} {}\n",
                         clock_text(x.asked.at, now), asker_text(x.asked));
    else if (last.ended)
      out += fmt::format("  stopped {} {}\n", clock_text(last.ended->at, now),
                         asker_text(*last.ended));
    out += fmt::format("  its last run{} ended {}: {}\n",
                       last.pid == 0 ? "" : fmt::format(" (pid {})", last.pid),
                       clock_text(last.ended_at, now), describe(last.exit));
    out +=
      fmt::format("  that was started {} {}\n",
                  clock_text(last.started_at.value_or(last.started.at), now),
                  asker_text(last.started));
    told = 1;
  } else {
    if (x.asked.cause == cause::user)
      out += fmt::format("  asked to be so {} {}\n",
                         clock_text(x.asked.at, now), asker_text(x.asked));
    out += "  it has not run yet\n";
  }
  if (auto before = what_was(x.history, told, now); !before.empty())
    out += "before that\n" + before;
  return out;
}

std::string recovery_text(const recovery_report& x) {
  auto out = fmt::format("the node before {}\n",
                         x.clean ? "ended in order" : "did not end in order");
  if (x.registry_lines.empty())
    out += "registry: whole\n";
  for (auto& line : x.registry_lines)
    out += fmt::format("registry: {}\n", printable(line));
  size_t counts[std::size(enum_names<run_fate>::names)]{};
  for (auto& run : x.runs)
    ++counts[static_cast<size_t>(run.fate)];
  out += fmt::format("runs: {} adopted, {} ended meanwhile, {} lost, {} never "
                     "began\n",
                     counts[0], counts[1], counts[2], counts[3]);
  uint64_t moved = 0;
  for (auto& run : x.runs)
    moved += run.keeper_bytes;
  out += fmt::format("output: {} bytes came through the keeper while no node "
                     "lived\n",
                     moved);
  for (auto& run : x.runs)
    if (run.keeper_bytes > 0)
      out += fmt::format("  {} (pid {}): {} bytes\n", run.handle_id, run.pid,
                         run.keeper_bytes);
  for (auto& run : x.runs)
    if (run.fate != run_fate::adopted)
      out += fmt::format("  {} (pid {}): {}\n", run.handle_id, run.pid,
                         run.exit ? describe(*run.exit)
                         : run.fate == run_fate::lost
                           ? "lost: nobody can say how it ended"
                           : "never began");
  return out;
}

} // namespace pm::ctl
