#include "apps/pmctl/render_process.hpp"

#include <algorithm>

#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

hue status_hue(status x, bool lost) {
  switch (x) {
  case status::running:
    return hue::green;
  case status::starting:
  case status::stopping:
  case status::backoff:
    return hue::yellow;
  case status::failed:
    return lost ? hue::magenta : hue::red;
  case status::unknown:
    return hue::magenta;
  default:
    return hue::faint;
  }
}

std::string quoted(const std::string& word) {
  constexpr std::string_view plain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    "%+,-./:=@_";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos)
    return word;
  std::string out = "'";
  for (auto c : word)
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  return out + "'";
}

bool has_ended(const process_view& x) {
  return x.status == status::stopped || x.status == status::failed
         || x.status == status::backoff;
}

std::string how_ended(const process_view& x) {
  if (!x.reason)
    return {};
  exit_status how{*x.reason, x.exit_code, std::nullopt};
  if (x.exit_signal)
    if (auto number = parse_signal(*x.exit_signal))
      how.signal = *number;
  return describe(how);
}

void add_part(std::string& parts, std::string_view part) {
  if (part.empty())
    return;
  if (!parts.empty())
    parts += ", ";
  parts += part;
}

// Why a running process does not serve yet, or any more.
std::string not_ready(const process_view& x) {
  if (x.status != status::running || x.ready)
    return {};
  for (auto& probe : x.probes)
    if (probe.role != probe_role::liveness && probe.verdict != health::healthy)
      return "not ready: " + printable(probe.text);
  return {};
}

std::string age_of(const process_view& x) {
  return x.uptime && is_alive(x.status) ? format_age(*x.uptime) : "-";
}

std::string pid_of(const process_view& x) {
  return x.pid ? std::to_string(*x.pid) : "-";
}

std::vector<cell> row_of(const process_view& x, bool wide) {
  std::vector<cell> row{
    {printable(x.handle_id)},
    {std::string{to_string(x.status)}, hue_of(x)},
    {pid_of(x)},
    {age_of(x)},
    {std::to_string(x.restart_count)},
    {exit_word(x)},
  };
  if (wide) {
    row.push_back(
      {x.cpu_percent ? fmt::format("{:.1f}%", *x.cpu_percent) : "-"});
    row.push_back({x.rss_bytes ? short_size(*x.rss_bytes) : "-"});
    for (auto& count : {x.processes, x.threads, x.descriptors})
      row.push_back({count ? std::to_string(*count) : "-"});
    row.push_back({x.ready ? "yes" : "no"});
    // The random half of a run id tells runs apart at a glance.
    row.push_back(
      {x.run_id.size() > 12 ? x.run_id.substr(x.run_id.size() - 12) : "-"});
    row.push_back({std::string{to_string(x.cause)}});
  }
  row.push_back({command_text(x.command)});
  return row;
}

} // namespace

hue hue_of(const process_view& x) {
  return status_hue(x.status, x.reason == exit_reason::lost);
}

std::string command_text(const std::vector<std::string>& argv) {
  if (argv.size() == 3 && argv[0] == "/bin/sh" && argv[1] == "-c")
    return printable(argv[2]);
  std::string out;
  for (auto& word : argv) {
    if (!out.empty())
      out += ' ';
    out += quoted(word);
  }
  return printable(out);
}

std::string exit_word(const process_view& x) {
  if (!x.reason)
    return "-";
  switch (*x.reason) {
  case exit_reason::exited:
    return x.exit_code ? std::to_string(*x.exit_code) : "?";
  case exit_reason::signaled:
    return x.exit_signal.value_or("?");
  case exit_reason::spawn_failed:
    return "spawn";
  case exit_reason::timeout:
    return "timeout";
  case exit_reason::lost:
    break;
  }
  return "lost";
}

std::string short_size(uint64_t bytes) {
  constexpr std::string_view units = "KMGTPE";
  if (bytes < 1024)
    return fmt::format("{}B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < units.size(); ++unit)
    value /= 1024;
  return value < 10 ? fmt::format("{:.1f}{}", value, units[unit])
                    : fmt::format("{:.0f}{}", value, units[unit]);
}

std::string list_table(const std::vector<process_view>& views, bool wide,
                       const look& how) {
  std::vector<column> columns{{"NAME"},           {"STATUS"},
                              {"PID", true},      {"UPTIME", true},
                              {"RESTARTS", true}, {"EXIT", true}};
  if (wide) {
    columns.push_back({"CPU", true});
    for (auto title : {"MEM", "PROCS", "THREADS", "FDS"})
      columns.push_back({title, true});
    for (auto title : {"READY", "RUN", "CAUSE"})
      columns.push_back({title});
  }
  columns.push_back({"COMMAND"});
  std::vector<std::vector<cell>> rows;
  rows.reserve(views.size());
  for (auto& x : views)
    rows.push_back(row_of(x, wide));
  return render_table(columns, rows, how);
}

std::string status_line(const process_view& x, timestamp now, const look& how) {
  std::string parts;
  if (is_alive(x.status) && x.pid)
    add_part(parts, fmt::format("pid {}", *x.pid));
  if (is_alive(x.status) && x.uptime)
    add_part(parts, "for " + format_age(*x.uptime));
  add_part(parts, not_ready(x));
  if (has_ended(x)) {
    add_part(parts, how_ended(x));
    if (x.ended_at)
      add_part(parts, format_age(now - *x.ended_at) + " ago");
  }
  if (x.status == status::backoff && x.retry_at)
    add_part(parts, "restart in " + format_age(*x.retry_at - now));
  if (x.next_run_at)
    add_part(parts, "next run in " + format_age(*x.next_run_at - now));
  auto verb = x.status == status::failed    ? "has "
              : x.status == status::backoff ? "is in "
                                            : "is ";
  auto out = fmt::format("{} {}{}", printable(x.handle_id), verb,
                         coloured(to_string(x.status), hue_of(x), how));
  if (!parts.empty())
    out += fmt::format(" ({})", parts);
  if (x.restart_count == 1)
    out += ", restarted once";
  else if (x.restart_count > 1)
    out += fmt::format(", restarted {} times", x.restart_count);
  if (!x.status_text.empty())
    out += ": " + printable(x.status_text);
  return out;
}

std::string event_line(const process_event& x, const look& how) {
  std::string parts;
  if (x.pid)
    add_part(parts, fmt::format("pid {}", *x.pid));
  if (x.exit)
    add_part(parts, describe(*x.exit));
  add_part(parts, to_string(x.cause));
  if (x.from == x.to && x.to == status::running)
    add_part(parts, x.ready ? "ready" : "not ready");
  if (x.health != health::unchecked)
    add_part(parts, to_string(x.health));
  auto lost = x.exit && x.exit->reason == exit_reason::lost;
  auto out = fmt::format(
    "{} {} {} -> {} ({})", coloured(format_timestamp(x.time), hue::faint, how),
    printable(x.handle_id), to_string(x.from),
    coloured(to_string(x.to), status_hue(x.to, lost), how), parts);
  if (!x.text.empty())
    out += ": " + printable(x.text);
  return out;
}

} // namespace pm::ctl
