#include <pm/migration.hpp>

#include <algorithm>
#include <map>

#include "registry/config/config_source.hpp"
#include "registry/migrate/old_entry.hpp"

namespace pm {

namespace {

using migrate::old_process;
using migrate::old_run;

// An entry as it stands in the file.
struct raw_entry {
  std::string name;
  bool named = true;
  const json::value* in = nullptr;
};

tl::unexpected<error> refuse_file(const std::string& file,
                                  std::string_view text) {
  return fail(ec::format_refused, "{}: {}; nothing was changed", file, text);
}

expected<void> parse(std::string_view text, const std::string& file,
                     rapidjson::Document& to) {
  if (text.size() > migration_bytes_max)
    return refuse_file(file, fmt::format("{} bytes, and at most {} are read",
                                         text.size(), migration_bytes_max));
  to.Parse<rapidjson::kParseIterativeFlag
           | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (!to.HasParseError())
    return {};
  config::source source{file, {}, std::string{text}, 0};
  return refuse_file(source.place(to.GetErrorOffset()),
                     fmt::format("not JSON: {}", rapidjson::GetParseError_En(
                                                   to.GetParseError())));
}

// An object or array of entries, and not a snapshot of our own.
expected<void> check_whole(const json::value& document,
                           const std::string& file) {
  if (document.IsArray())
    return {};
  if (!document.IsObject())
    return refuse_file(file, "neither an object of streamers or handles nor "
                             "an array of handles");
  // An old entry may have this name, too.
  auto format = document.FindMember("format");
  if (format != document.MemberEnd() && !format->value.IsObject())
    return refuse_file(file, "has a format number, so it is pm's own registry "
                             "and not an old one: a node reads it from its "
                             "state directory");
  return {};
}

std::vector<raw_entry> entries_of(const json::value& document) {
  std::vector<raw_entry> result;
  if (document.IsObject()) {
    for (auto& member : document.GetObject())
      result.push_back(
        {{member.name.GetString(), member.name.GetStringLength()},
         true,
         &member.value});
    return result;
  }
  for (auto& element : document.GetArray()) {
    raw_entry x{fmt::format("entry {}", result.size() + 1), false, &element};
    if (element.IsObject()) {
      auto id = element.FindMember("handle_id");
      if (id != element.MemberEnd() && id->value.IsString()) {
        x.name.assign(id->value.GetString(), id->value.GetStringLength());
        x.named = true;
      }
    }
    result.push_back(std::move(x));
  }
  return result;
}

migration_format format_of(const json::value& document,
                           const std::vector<raw_entry>& entries) {
  if (document.IsArray())
    return migration_format::handles;
  for (auto& x : entries) {
    if (migrate::looks_like_streamer(*x.in))
      return migration_format::streamers;
    if (migrate::looks_like_handle(*x.in))
      return migration_format::handles;
  }
  return migration_format::streamers;
}

// The live process that the entry speaks of; the error's text is why there is
// none that can be proven.
expected<live_process> prove(const old_run& run, const migration_world& world) {
  if (run.in_program)
    return fail(ec::process_lost,
                "a task lives inside its program and ended with it");
  if (!run.pid)
    return fail(ec::process_lost, "recorded as running, without a pid");
  if (run.started_at > world.now + migration_start_slack)
    return fail(ec::process_lost,
                "pid {}: the recorded start, {}, is still to come and proves "
                "nothing",
                *run.pid, format_timestamp(run.started_at));
  auto live = world.find(*run.pid);
  if (!live)
    return fail(ec::process_lost, "pid {} is not alive any more", *run.pid);
  if (live->uid != world.uid)
    return fail(ec::process_lost,
                "pid {} belongs to uid {} now, and you are uid {}", *run.pid,
                live->uid, world.uid);
  if (live->started_at > run.started_at + migration_start_slack)
    return fail(ec::process_lost,
                "pid {} is another process now: it started at {}, and the "
                "recorded one at {}",
                *run.pid, format_timestamp(live->started_at),
                format_timestamp(run.started_at));
  return *live;
}

void lose(migration_entry& entry, const old_run& run, std::string text) {
  auto& state = entry.record->state;
  entry.outcome = migration_outcome::lost;
  state.status = status::stopped;
  state.wanted = false;
  state.held_down = true;
  state.run_id = {};
  state.identity = {};
  state.started_at = run.started_at;
  state.exit = exit_status{exit_reason::lost, std::nullopt, std::nullopt};
  state.status_text = "lost: " + text;
  entry.text = std::move(text);
}

void adopt(migration_entry& entry, const old_run& run, const live_process& live,
           const migration_world& world) {
  auto& state = entry.record->state;
  entry.outcome = migration_outcome::adopted;
  state.status = status::running;
  state.wanted = true;
  state.foreign = true;
  state.run_id = run_id::make(world.now);
  state.identity = {*run.pid, live.start_ticks, world.boot_id};
  state.started_at = live.started_at;
  entry.text = fmt::format("pid {}, which has run since {}", *run.pid,
                           format_timestamp(live.started_at));
}

void retire(migration_entry& entry, const old_run& run) {
  auto& state = entry.record->state;
  entry.outcome = migration_outcome::stopped;
  state.status = status::stopped;
  state.held_down = true;
  state.started_at = run.started_at;
  state.ended_at = run.ended_at;
  state.exit = run.exit;
  entry.text = "recorded as ended";
  if (run.ended_at)
    entry.text += " at " + format_timestamp(*run.ended_at);
  if (run.exit)
    entry.text += ", with " + describe(*run.exit);
}

void settle(migration_entry& entry, const old_run& run,
            const migration_world& world) {
  if (!run.running)
    return retire(entry, run);
  if (auto live = prove(run, world))
    adopt(entry, run, *live, world);
  else
    lose(entry, run, live.error().text);
}

// Two records of one process: neither is proven.
void lose_shared_pids(std::vector<migration_entry>& entries,
                      const std::vector<old_run>& runs) {
  std::map<int, std::vector<size_t>> claims;
  for (size_t i = 0; i < entries.size(); ++i)
    if (entries[i].outcome == migration_outcome::adopted)
      claims[*runs[i].pid].push_back(i);
  for (auto& [pid, claimants] : claims) {
    if (claimants.size() < 2)
      continue;
    for (auto i : claimants) {
      auto other = claimants[claimants[0] == i ? 1 : 0];
      lose(entries[i], runs[i],
           fmt::format("pid {} is recorded for {}, too, and cannot be both",
                       pid, config::in_quotes(entries[other].name)));
    }
  }
}

// Understands one entry; nothing is known of its process yet.
expected<old_process> understand(const raw_entry& x, migration_format format,
                                 const std::map<std::string, size_t>& count) {
  if (x.named) {
    if (auto ok = check_handle_id(x.name); !ok)
      return tl::make_unexpected(
        error{ec::format_refused,
              fmt::format("its name {} is not a handle id, which starts with "
                          "a letter or digit and has at most 128 of A-Z a-z "
                          "0-9 . _ -",
                          config::in_quotes(x.name))});
    if (auto n = count.at(x.name); n > 1)
      return fail(ec::format_refused,
                  "{} entries have this name, and nothing tells which one "
                  "holds",
                  n);
  }
  return format == migration_format::streamers
           ? migrate::read_streamer(*x.in, x.name)
           : migrate::read_handle(*x.in, x.name);
}

} // namespace

size_t migration_plan::count(migration_outcome x) const noexcept {
  return static_cast<size_t>(
    std::count_if(entries.begin(), entries.end(),
                  [x](const auto& entry) { return entry.outcome == x; }));
}

expected<migration_plan> plan_migration(std::string_view text,
                                        const std::string& file,
                                        const migration_world& world) {
  rapidjson::Document document;
  if (auto ok = parse(text, file, document); !ok)
    return tl::make_unexpected(ok.error());
  if (auto ok = check_whole(document, file); !ok)
    return tl::make_unexpected(ok.error());
  auto raw = entries_of(document);
  std::map<std::string, size_t> count;
  for (auto& x : raw)
    if (x.named)
      ++count[x.name];
  migration_plan plan;
  plan.format = format_of(document, raw);
  std::vector<old_run> runs(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    auto& entry = plan.entries.emplace_back();
    entry.name = raw[i].name;
    auto x = understand(raw[i], plan.format, count);
    if (!x) {
      entry.text = std::move(x.error().text);
      continue;
    }
    auto& record = entry.record.emplace();
    record.definition = std::move(x->definition);
    record.definition.handle_id = raw[i].name;
    record.definition.spec.restart = restart_mode::never;
    record.definition.spec.autostart = false;
    record.state.last_updated = world.now;
    entry.notes = std::move(x->notes);
    runs[i] = x->run;
    settle(entry, runs[i], world);
  }
  lose_shared_pids(plan.entries, runs);
  return plan;
}

} // namespace pm
