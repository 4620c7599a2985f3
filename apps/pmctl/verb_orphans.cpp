#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include <CLI/App.hpp>

#include <pm/migration.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/send_records.hpp"
#include "apps/pmctl/terminal_text.hpp"
#include "runtime/os/proc.hpp"

// orphans: live processes that carry a run id of this node's which is no live
// run's; to be shown, ended, or taken on record again. Found by the environment
// that they began with, so one that began without it is not found. /proc shows
// an ordinary user only his own.

namespace pm::ctl {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds grace{10};
constexpr std::chrono::milliseconds pause{20};

struct orphan {
  int pid = 0;
  uint64_t start_ticks = 0;
  std::string handle_id;
  std::string run_id;
  std::vector<std::string> command;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("pid", x.pid), field("start_ticks", x.start_ticks),
                 field("handle_id", x.handle_id), field("run_id", x.run_id),
                 field("command", x.command));
  }
};

// The strings of a file of /proc that are ended by NUL.
std::vector<std::string> strings_of(int pid, const char* file) {
  std::ifstream in{fmt::format("/proc/{}/{}", pid, file), std::ios::binary};
  std::vector<std::string> result;
  for (std::string one; std::getline(in, one, '\0');)
    result.push_back(one);
  return result;
}

std::map<std::string, std::string> environment_of(int pid) {
  std::map<std::string, std::string> result;
  for (auto& row : strings_of(pid, "environ"))
    if (row.starts_with("PM_"))
      result.emplace(row.substr(0, row.find('=')),
                     row.substr(row.find('=') + 1));
  return result;
}

std::vector<orphan> find_orphans(const std::string& socket,
                                 const std::set<std::string>& live_runs,
                                 const std::set<int>& live_pids) {
  std::vector<orphan> found;
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator{"/proc", none}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    auto stat = pid > 0 ? read_process_stat(pid) : expected<process_stat>{};
    if (pid <= 0 || !stat || stat->state == 'Z')
      continue;
    auto ours = environment_of(pid);
    if (ours["PM_SOCKET"] != socket || ours["PM_RUN_ID"].empty()
        || live_runs.contains(ours["PM_RUN_ID"]) || live_pids.contains(pid))
      continue;
    found.push_back({pid, stat->start_ticks, ours["PM_HANDLE_ID"],
                     ours["PM_RUN_ID"], strings_of(pid, "cmdline")});
  }
  return found;
}

bool send(const orphan& x, int number) {
  auto fd = open_pidfd(x.pid, x.start_ticks);
  return fd && send_signal(fd->get(), number);
}

bool lives(const orphan& x) {
  auto stat = read_process_stat(x.pid);
  return stat && stat->start_ticks == x.start_ticks && stat->state != 'Z';
}

// TERM, and KILL for what is left after the grace. The number that lives on.
size_t end_all(const std::vector<orphan>& all) {
  auto wait = [&](std::chrono::seconds limit) {
    size_t left = 0;
    for (auto until = clock::now() + limit;;) {
      left = 0;
      for (auto& x : all)
        left += lives(x) ? 1 : 0;
      if (left == 0 || clock::now() > until)
        return left;
      std::this_thread::sleep_for(pause);
    }
  };
  for (auto& x : all)
    (void)send(x, SIGTERM); // one that has ended is no failure
  if (wait(grace) == 0)
    return 0;
  for (auto& x : all)
    (void)send(x, SIGKILL);
  return wait(std::chrono::seconds{1});
}

std::string link_of(int pid, const char* file) {
  std::error_code none;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/{}", pid, file),
                                       none)
    .string();
}

// The record that owns an orphan from now on: it alone, as what another program
// has begun. It is not restarted: nobody knows what it was meant to be.
process_record record_of(const orphan& x, std::string name,
                         const migration_world& world) {
  process_record record;
  record.definition.handle_id = std::move(name);
  record.definition.created_at = world.now;
  auto& spec = record.definition.spec;
  spec.command = x.command;
  spec.working_dir = link_of(x.pid, "cwd");
  spec.restart = restart_mode::never;
  auto& state = record.state;
  state.status = status::running;
  state.wanted = true;
  state.foreign = true;
  state.run_id = run_id::make(world.now); // its old run is over
  state.identity.pid = x.pid;
  state.identity.start_ticks = x.start_ticks;
  state.identity.boot_id = world.boot_id;
  if (auto live = world.find(x.pid))
    state.started_at = live->started_at;
  state.last_updated = world.now;
  return record;
}

int adopt(session& here, const std::vector<orphan>& found,
          std::set<std::string> names) {
  auto world = live_world();
  if (!world)
    return session::refuse(world.error());
  std::string records;
  for (auto& x : found) {
    auto name = x.handle_id;
    if (!check_handle_id(name) || !names.insert(name).second)
      name = fmt::format("orphan-{}", x.pid);
    records += (records.empty() ? "" : ",")
               + to_json(record_of(x, std::move(name), *world));
  }
  if (records.empty())
    return done;
  auto outcomes = send_records(here, records);
  if (!outcomes)
    return session::refuse(outcomes.error());
  auto code = int{done};
  for (auto& x : *outcomes) {
    if (x.outcome != "added") {
      session::complain(fmt::format("adopt '{}': {}", x.handle_id, x.text));
      code = failed;
    } else if (!here.options.quiet && !here.options.json) {
      session::emit(fmt::format("'{}' is a process again\n", x.handle_id));
    }
  }
  return code;
}

struct orphan_options {
  bool kill = false;
  bool adopt = false;
};

int orphans(session& here, const orphan_options& options) {
  auto asked = here.params();
  auto version = here.call("version", asked);
  if (!version)
    return session::refuse(version.error());
  auto params = here.params();
  auto reply = here.call("list", params);
  if (!reply)
    return session::refuse(reply.error());
  auto views = views_of(reply->body());
  if (!views)
    return session::refuse(views.error());
  std::set<std::string> live_runs;
  std::set<int> live_pids; // of those that were adopted
  std::set<std::string> names;
  for (auto& x : *views) {
    names.insert(x.handle_id);
    if (is_alive(x.status))
      live_runs.insert(x.run_id);
    if (is_alive(x.status) && x.pid)
      live_pids.insert(*x.pid);
  }
  std::string dir = version->body()["state_dir"].GetString();
  auto found = find_orphans(dir + "/control.sock", live_runs, live_pids);
  if (here.options.json) {
    rapidjson::StringBuffer buffer;
    json::writer out{buffer};
    json::write(out, found);
    session::emit(std::string{buffer.GetString(), buffer.GetSize()} + "\n");
  } else if (!here.options.quiet && !found.empty()) {
    std::vector<std::vector<cell>> rows;
    for (auto& x : found)
      rows.push_back({{std::to_string(x.pid)},
                      {printable(x.handle_id)},
                      {x.run_id},
                      {command_text(x.command)}});
    session::emit(render_table({{"PID"}, {"OF"}, {"RUN"}, {"COMMAND"}}, rows,
                               here.shown()));
  }
  if (options.adopt)
    return adopt(here, found, std::move(names));
  if (!options.kill || found.empty())
    return done;
  if (auto left = end_all(found); left > 0) {
    session::complain(fmt::format("{} of {} live on", left, found.size()));
    return failed;
  }
  if (!here.options.quiet && !here.options.json)
    session::emit(fmt::format("{} ended\n", found.size()));
  return done;
}

} // namespace

void add_orphans_verb(command_line& to) {
  auto options = std::make_shared<orphan_options>();
  auto& verb = to.add("orphans",
                      "Show what lives on of runs that are over; end it, or "
                      "take it on record",
                      "pmctl orphans --kill", [options](session& here) {
                        return orphans(here, *options);
                      });
  auto* kill = verb.add_flag("--kill", options->kill,
                             "End them: SIGTERM, then SIGKILL after 10 s");
  verb
    .add_flag("--adopt", options->adopt,
              "Make each one a process of its own, of its old name if that is "
              "free, else orphan-PID; not restarted")
    ->excludes(kill);
}

} // namespace pm::ctl
