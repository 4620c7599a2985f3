#include "registry/config/probe_reader.hpp"

#include <algorithm>
#include <charconv>
#include <regex.h>

#include <pm/units.hpp>

namespace pm::config {

namespace {

constexpr size_t pattern_size_max = 10'000; // some MB, compiled

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

// What would end a word of a request.
bool has_blank(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

void read_place(const node& x, probe_spec& to, const report_fn& report) {
  take_text(x, "host", to.host);
  take_number(x, "port", to.port);
  take_text(x, "path", to.path);
  if (has_blank(to.path))
    report(*x.find("path"), "http_get.path",
           fmt::format("{} has a space or a control character; write it as %XX",
                       in_quotes(to.path)));
  auto* headers = find_good(x, "headers");
  if (headers == nullptr)
    return;
  for (auto& header : headers->children) {
    if (has_blank(header.key) || header.key.empty()
        || header.key.find(':') != std::string::npos)
      report(header, "http_get.headers",
             fmt::format("{} is no name of a header", in_quotes(header.key)));
    else if (header.text.find_first_of("\r\n") != std::string::npos)
      report(
        header, "http_get.headers",
        fmt::format("the value of {} has a line break", in_quotes(header.key)));
    else if (header.is(node_type::string))
      to.headers.insert_or_assign(header.key, header.text);
  }
}

// How many places a regular expression has once its repetitions are written
// out, in about: what a compiled one takes memory for.
size_t pattern_size(std::string_view text) {
  std::vector<size_t> groups{0}; // those that are open
  size_t last = 0;               // what a repetition would be of
  auto take = [&](size_t size) {
    groups.back() += last;
    last = std::min(size, pattern_size_max + 1);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
      take(1);
    } else if (text[i] == '[') {
      auto end = text.find(']', i + (text.substr(i + 1, 1) == "^" ? 3 : 2));
      i = std::min(end, text.size());
      take(1);
    } else if (text[i] == '(') {
      take(0);
      groups.push_back(0);
    } else if (text[i] == ')' && groups.size() > 1) {
      auto size = groups.back() + last;
      groups.pop_back();
      last = 0;
      take(size);
    } else if (text[i] == '{') {
      auto end = std::min(text.find('}', i), text.size());
      size_t times = 1;
      for (auto words = text.substr(i + 1, end - i - 1); !words.empty();) {
        size_t x = 0;
        auto comma = std::min(words.find(','), words.size());
        std::from_chars(words.data(), words.data() + comma, x);
        times = std::max(times, std::min(x, pattern_size_max));
        words.remove_prefix(std::min(comma + 1, words.size()));
      }
      last = std::min(last * times, pattern_size_max + 1);
      i = end;
    } else if (text[i] != '*' && text[i] != '+' && text[i] != '?') {
      take(1);
    }
  }
  return groups.front() + last;
}

void read_pattern(const node& x, probe_spec& to, const report_fn& report) {
  to.pattern = x.text;
  if (auto size = pattern_size(x.text); size > pattern_size_max)
    return report(x, "log_line",
                  fmt::format("the regular expression is too large: with its "
                              "repetitions written out it has more than {} "
                              "places",
                              pattern_size_max));
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
      read_place(*http, to, report);
    else if (has_blank(http->text) || !read_url(http->text, to))
      report(*http, "http_get",
             fmt::format("{} is not of the form http://HOST:PORT/PATH",
                         in_quotes(http->text)));
  } else if (auto* tcp = find_good(x, "tcp")) {
    to.kind = probe_kind::tcp;
    read_place(*tcp, to, report);
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
    for (auto name : {"period", "timeout"})
      if (auto* time = find_good(*found, name);
          time != nullptr && parse_duration(time->text) == milliseconds{0})
        report(*time, fmt::format("{}.{}", key, name),
               fmt::format("\"{}\": must be longer than 0", time->text));
    to.probes.push_back(std::move(probe));
  }
}

} // namespace pm::config
