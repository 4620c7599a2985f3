#include <algorithm>
#include <limits>
#include <queue>

#include <poll.h>
#include <unistd.h>

#include <CLI/App.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/render_log.hpp"

// logs: reads the files themselves; the node only tells where they are.

namespace pm::ctl {

namespace {

// Lines shown before a log is followed, where no number is given.
constexpr size_t follow_lines = 10;
// How often a follower looks whether anybody still reads it.
constexpr milliseconds reader_check{1000};
constexpr size_t write_batch = 64u << 10;

struct logs_options {
  std::vector<std::string> names;
  bool follow = false;
  std::optional<size_t> lines;
  bool times = false;
  std::string since;
  std::optional<uint64_t> since_seq;
  bool only_stdout = false;
  bool only_stderr = false;
};

// Reads a time, or how long ago it was. Errors: invalid_argument.
expected<timestamp> parse_since(const std::string& text, timestamp now) {
  if (auto ago = parse_duration(text))
    return now - *ago;
  if (auto time = parse_timestamp(text))
    return *time;
  return fail(ec::invalid_argument,
              "--since {}: write how long ago, as in 5m, or a time, as in "
              "2026-11-22T23:04:05Z",
              text);
}

// Several logs as one, in the order of time.
class merged_logs {
public:
  // Those that are open already stay as they are.
  expected<void> open(std::vector<log_source> sources, const log_query& query) {
    for (auto& from : sources) {
      if (std::any_of(logs_.begin(), logs_.end(),
                      [&](auto& x) { return x.from.path == from.path; }))
        continue;
      auto cursor = log_cursor::open(from.path, query);
      if (!cursor)
        return tl::make_unexpected(std::move(cursor.error()));
      logs_.push_back({std::move(from), std::move(*cursor)});
    }
    return {};
  }

  // Shows all that is there.
  expected<void> drain(const log_look& show) {
    std::string out;
    for (size_t i = 0; i < logs_.size(); ++i)
      if (auto ok = refill(i); !ok)
        return ok;
    while (!heads_.empty()) {
      auto i = heads_.top().log;
      heads_.pop();
      auto& log = logs_[i];
      out += log_text(log.lines[log.next++], log.from, show);
      if (out.size() >= write_batch)
        session::emit(std::exchange(out, {}));
      if (auto ok = refill(i); !ok)
        return ok;
    }
    session::emit(out);
    return {};
  }

  // Shows what has no line end yet.
  void flush(const log_look& show) {
    std::string out;
    for (auto& log : logs_)
      for (auto& line : log.cursor.flush())
        out += log_text(line, log.from, show);
    session::emit(out);
  }

  expected<void> watch(log_waiter& waiter) {
    for (; watched_ < logs_.size(); ++watched_)
      if (auto ok = waiter.add(logs_[watched_].from.path); !ok)
        return ok;
    return {};
  }

private:
  struct log {
    log_source from;
    log_cursor cursor;
    std::vector<log_line> lines;
    size_t next = 0;
    int64_t last_time_us = 0; // a line without a time stays where it stands
  };

  struct head {
    int64_t time_us = 0;
    size_t log = 0;

    bool operator<(const head& other) const {
      return std::pair{time_us, log} > std::pair{other.time_us, other.log};
    }
  };

  // Puts the next line of a log up for the merge.
  expected<void> refill(size_t i) {
    auto& x = logs_[i];
    if (x.next == x.lines.size()) {
      auto lines = x.cursor.read_new();
      if (!lines)
        return tl::make_unexpected(std::move(lines.error()));
      x.lines = std::move(*lines);
      x.next = 0;
      if (x.lines.empty())
        return {};
    }
    x.last_time_us = std::max(x.last_time_us, x.lines[x.next].time_us);
    heads_.push({x.last_time_us, i});
    return {};
  }

  std::vector<log> logs_;
  size_t watched_ = 0;
  std::priority_queue<head> heads_;
};

// Of the names before the lines.
size_t width_of(const std::vector<log_source>& sources) {
  size_t result = 0;
  for (auto& from : sources)
    result = std::max(result, from.handle_id.size());
  return result;
}

bool nobody_reads() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL)) != 0;
}

// True if processes that are defined later may be meant too.
bool is_open_ended(const std::vector<std::string>& names) {
  return names.empty()
         || std::any_of(names.begin(), names.end(), [](auto& name) {
              return name.find_first_of("*?[") != std::string::npos;
            });
}

int follow(session& here, const logs_options& options, merged_logs& logs,
           log_look& show) {
  auto waiter = log_waiter::make();
  if (!waiter)
    return session::refuse(waiter.error());
  auto looks_for_more = is_open_ended(options.names);
  auto looked_at = std::chrono::steady_clock::now();
  while (!nobody_reads()) {
    if (auto ok = logs.watch(*waiter); !ok)
      return session::refuse(ok.error());
    if (auto ok = logs.drain(show); !ok)
      return session::refuse(ok.error());
    waiter->wait(reader_check);
    auto now = std::chrono::steady_clock::now();
    if (!looks_for_more || now - looked_at < reader_check)
      continue;
    looked_at = now;
    // No node for a moment: what is followed goes on.
    if (auto more = find_logs(here, options.names); more) {
      show.name_width = std::max(show.name_width, width_of(*more));
      if (auto ok = logs.open(std::move(*more), {}); !ok)
        return session::refuse(ok.error());
    }
  }
  return done;
}

int show_logs(session& here, const logs_options& options) {
  log_query query;
  query.lines = options.lines;
  query.since_offset = options.since_seq;
  if (!options.since.empty()) {
    auto since = parse_since(options.since, time_now());
    if (!since) {
      session::complain(since.error().text);
      return usage;
    }
    query.since = *since;
  } else if (options.follow && !query.lines && !query.since_offset) {
    query.lines = follow_lines;
  }
  if (options.only_stdout != options.only_stderr)
    query.only =
      options.only_stdout ? stream::stdout_stream : stream::stderr_stream;
  auto sources = find_logs(here, options.names);
  if (!sources)
    return session::refuse(sources.error());
  log_look show{here.options.json, options.times, 0, here.shown()};
  if (sources->size() > 1)
    show.name_width = width_of(*sources);
  merged_logs logs;
  if (auto ok = logs.open(std::move(*sources), query); !ok)
    return session::refuse(ok.error());
  if (options.follow)
    return follow(here, options, logs, show);
  if (auto ok = logs.drain(show); !ok)
    return session::refuse(ok.error());
  logs.flush(show);
  return done;
}

} // namespace

void add_log_verbs(command_line& to) {
  auto options = std::make_shared<logs_options>();
  auto& verb =
    to.add("logs", "Show what processes have written",
           "pmctl logs -f web; pmctl logs --since 5m --stderr 'web*'",
           [options](session& here) { return show_logs(here, *options); });
  command_line::add_names(verb, options->names, false);
  verb.add_flag("-f,--follow", options->follow,
                "Go on with what is written from now on");
  verb
    .add_option("-n,--lines", options->lines,
                "Only the last N lines of each (default: all; with -f: 10)")
    ->type_name("N");
  verb.add_flag("-t,--timestamps", options->times,
                "Put the time of arrival before each line");
  verb
    .add_option("--since", options->since,
                "Only what came after this time (RFC 3339, or 5m: that long "
                "ago)")
    ->type_name("TIME");
  verb
    .add_option("--since-seq", options->since_seq,
                "Only lines from this number on, as --json gives them")
    ->type_name("SEQ");
  verb.add_flag("--stdout", options->only_stdout, "Only standard output");
  verb.add_flag("--stderr", options->only_stderr, "Only standard error");
}

} // namespace pm::ctl
