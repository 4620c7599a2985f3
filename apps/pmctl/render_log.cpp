#include "apps/pmctl/render_log.hpp"

#include <array>

#include "apps/pmctl/request_params.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

// What a time takes, so that lines without one stand aligned.
constexpr size_t time_width = 24;

hue hue_of_name(std::string_view name) {
  constexpr std::array hues{hue::cyan, hue::yellow, hue::green, hue::magenta,
                            hue::blue};
  unsigned sum = 0;
  for (auto c : name)
    sum = sum * 31 + static_cast<unsigned char>(c);
  return hues[sum % hues.size()];
}

std::string json_of(const log_line& x, const log_source& from) {
  auto run = x.run_id.str();
  std::optional<std::string> correlation_id;
  // Only the present run's is known here.
  if (!run.empty() && run == from.run_id && !from.correlation_id.empty())
    correlation_id = from.correlation_id;
  std::optional<std::string> stream;
  if (x.which)
    stream = *x.which == stream::stdout_stream ? "stdout" : "stderr";
  return request_params{}
           .set("seq", x.offset)
           .set("time", x.time)
           .set("handle_id", from.handle_id)
           .set("run_id", run.empty() ? std::nullopt : std::optional{run})
           .set("correlation_id", correlation_id)
           .set("stream", stream)
           .set("message", x.text)
           .str()
         + "\n";
}

} // namespace

std::string log_text(const log_line& x, const log_source& from,
                     const log_look& show) {
  if (show.json)
    return json_of(x, from);
  std::string out;
  if (show.name_width > 0) {
    auto pad =
      show.name_width - std::min(show.name_width, from.handle_id.size());
    out += coloured(from.handle_id + std::string(pad, ' ') + " | ",
                    hue_of_name(from.handle_id), show.how);
  }
  if (show.times) {
    auto time = x.time ? format_timestamp(*x.time) : std::string{"-"};
    time.resize(time_width, ' ');
    out += coloured(time + " ", hue::faint, show.how);
  }
  if (show.how.terminal) {
    // Line by line, so that nothing of one reaches into the next.
    terminal_filter filter;
    out += filter.feed(x.text);
    out += filter.finish();
  } else {
    out += x.text;
  }
  auto decorated = show.times || show.name_width > 0 || show.how.terminal;
  if (x.complete || decorated)
    out += '\n';
  return out;
}

} // namespace pm::ctl
