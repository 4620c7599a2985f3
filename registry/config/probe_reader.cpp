#include "registry/config/probe_reader.hpp"

#include <charconv>
#include <regex.h>

#include <pm/units.hpp>

namespace pm::config {

namespace {

using report_fn =
  std::function<void(const node&, std::string_view, std::string)>;

void take_text(const node& x, std::string_view key, std::string& to) {
  if (auto* found = find_good(x, key); found && found->is(node_type::string))
    to = found->text;
}

void take_duration(const node& x, std::string_view key, milliseconds& to) {
  if (auto* found = find_good(x, key); found && found->is(node_type::string))
    to = parse_duration(found->text).value_or(to);
}

void take_number(const node& x, std::string_view key, int& to) {
  if (auto* found = find_good(x, key); found && found->is(node_type::integer))
    to = static_cast<int>(found->integer);
}

void read_command(const node& x, probe_spec& to) {
  if (x.is(node_type::string))
    to.command = {"/bin/sh", "-c", x.text};
  for (auto& word : x.children)
    if (word.is(node_type::string))
      to.command.push_back(word.text);
}

// "http://HOST[:PORT][/PATH]"; false if it is none.
bool read_url(std::string_view text, probe_spec& to) {
  constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme))
    return false;
  text.remove_prefix(scheme.size());
  auto slash = text.find('/');
  auto place = text.substr(0, slash);
  if (slash != std::string_view::npos)
    to.path = text.substr(slash);
  to.port = 80;
  auto colon = place.rfind(':');
  if (colon != std::string_view::npos && !place.ends_with(']')) {
    auto digits = place.substr(colon + 1);
    auto end = digits.data() + digits.size();
    auto read = std::from_chars(digits.data(), end, to.port);
    if (read.ec != std::errc{} || read.ptr != end || to.port < 1
        || to.port > 65535)
      return false;
    place = place.substr(0, colon);
  }
  if (place.starts_with('[') && place.ends_with(']'))
    place = place.substr(1, place.size() - 2); // an IPv6 address
  to.host = place;
  return !place.empty();
}

void read_place(const node& x, probe_spec& to) {
  take_text(x, "host", to.host);
  take_number(x, "port", to.port);
  take_text(x, "path", to.path);
  if (auto* headers = find_good(x, "headers"))
    for (auto& header : headers->children)
      if (header.is(node_type::string))
        to.headers.insert_or_assign(header.key, header.text);
}

void read_pattern(const node& x, probe_spec& to, const report_fn& report) {
  to.pattern = x.text;
  regex_t compiled;
  auto outcome = ::regcomp(&compiled, x.text.c_str(), REG_EXTENDED | REG_NOSUB);
  if (outcome == 0)
    return ::regfree(&compiled);
  char why[256];
  ::regerror(outcome, &compiled, why, sizeof(why));
  report(x, "log_line", fmt::format("not a regular expression: {}", why));
}

void read_kind(const node& x, probe_spec& to, const report_fn& report) {
  if (auto* command = find_good(x, "exec")) {
    to.kind = probe_kind::exec;
    read_command(*command, to);
  } else if (auto* http = find_good(x, "http_get")) {
    to.kind = probe_kind::http_get;
    if (!http->is(node_type::string))
      read_place(*http, to);
    else if (!read_url(http->text, to))
      report(*http, "http_get",
             fmt::format("{} is not of the form http://HOST:PORT/PATH",
                         in_quotes(http->text)));
  } else if (auto* tcp = find_good(x, "tcp")) {
    to.kind = probe_kind::tcp;
    read_place(*tcp, to);
  } else if (auto* said = find_good(x, "notify")) {
    to.kind = probe_kind::notify;
    if (said->is(node_type::boolean) && !said->boolean)
      report(*said, fmt::format("{}_probe.notify", to_string(to.role)),
             "false asks nothing; leave the probe out");
    if (to.role == probe_role::liveness)
      report(*said, "liveness_probe",
             "notify says once that it is ready; whether it lives is what "
             "'watchdog' asks");
  } else if (auto* line = find_good(x, "log_line")) {
    to.kind = probe_kind::log_line;
    read_pattern(*line, to, report);
  }
}

} // namespace

void read_probes(const node& x, process_spec& to, const report_fn& report) {
  constexpr std::pair<std::string_view, probe_role> keys[] = {
    {"startup_probe", probe_role::startup},
    {"readiness_probe", probe_role::readiness},
    {"liveness_probe", probe_role::liveness},
  };
  for (auto& [key, role] : keys) {
    auto* found = find_good(x, key);
    if (found == nullptr || !found->is(node_type::object))
      continue;
    probe_spec probe;
    probe.role = role;
    read_kind(*found, probe, report);
    take_duration(*found, "period", probe.period);
    take_duration(*found, "timeout", probe.timeout);
    take_duration(*found, "initial_delay", probe.initial_delay);
    take_number(*found, "success_count", probe.success_count);
    take_number(*found, "failure_count", probe.failure_count);
    if (probe.period.count() <= 0 || probe.timeout.count() <= 0)
      report(*found, key, "period and timeout are longer than 0");
    to.probes.push_back(std::move(probe));
  }
}

} // namespace pm::config
