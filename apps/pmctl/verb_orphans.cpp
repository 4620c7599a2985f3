#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include <CLI/App.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/render_process.hpp"
#include "apps/pmctl/terminal_text.hpp"
#include "runtime/os/proc.hpp"

// orphans: live processes that carry a run id of this node's which is no live
// run's. Found by the environment that they began with, so one that began
// without it is not found. /proc shows an ordinary user only his own.

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
                                 const std::set<std::string>& live_runs) {
  std::vector<orphan> found;
  std::error_code none;
  for (auto& entry : std::filesystem::directory_iterator{"/proc", none}) {
    auto pid = std::atoi(entry.path().filename().c_str());
    auto stat = pid > 0 ? read_process_stat(pid) : expected<process_stat>{};
    if (pid <= 0 || !stat || stat->state == 'Z')
      continue;
    auto ours = environment_of(pid);
    if (ours["PM_SOCKET"] != socket || ours["PM_RUN_ID"].empty()
        || live_runs.contains(ours["PM_RUN_ID"]))
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

int orphans(session& here, bool kill) {
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
  for (auto& x : *views)
    if (is_alive(x.status))
      live_runs.insert(x.run_id);
  std::string dir = version->body()["state_dir"].GetString();
  auto found = find_orphans(dir + "/control.sock", live_runs);
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
  if (!kill || found.empty())
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
  auto kill = std::make_shared<bool>(false);
  auto& verb =
    to.add("orphans", "Show what lives on of runs that are over; or end it",
           "pmctl orphans --kill",
           [kill](session& here) { return orphans(here, *kill); });
  verb.add_flag("--kill", *kill, "End them: SIGTERM, then SIGKILL after 10 s");
}

} // namespace pm::ctl
