#include <map>
#include <unordered_map>

#include <sys/stat.h>
#include <unistd.h>

#include <pm/notify.hpp>

#include "runtime/loop/notify_socket.hpp"
#include "runtime/os/path_number.hpp"
#include "runtime/os/proc.hpp"
#include "runtime/os/proc_environ.hpp"

namespace pm {

namespace {

// How many ancestors of a sender are looked at.
constexpr int ancestors_max = 64;

// Where sockets are that others reach, or whose own directory has too long a
// name.
std::string common_dir() {
  return ::geteuid() == 0 ? std::string{"/run/pm"}
                          : fmt::format("/tmp/pm-{}", ::geteuid());
}

// Makes it, or proves that nobody else can change it.
expected<void> check_common_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0711) == 0)
    ::chmod(path.c_str(), 0711);
  else if (errno != EEXIST)
    return fail_errno(errno, path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0)
    return fail_errno(errno, path);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()
      || (status.st_mode & 022) != 0)
    return fail(ec::not_permitted, "{}: others can change it", path);
  return {};
}

class loop_notifier : public notifier {
public:
  loop_notifier(event_loop& loop, const std::string& state_dir,
                std::function<void(const std::string&)> note)
    : loop_(loop),
      own_path_(state_dir + "/notify.sock"),
      common_path_(
        fmt::format("{}/{:016x}.notify", common_dir(), path_number(state_dir))),
      note_(std::move(note)) {}

  ~loop_notifier() override { *is_alive_ = false; }

  std::string path(bool is_shared) const override {
    return is_shared || !notify_socket::can_name(own_path_) ? common_path_
                                                            : own_path_;
  }

  void expect(const run_id& run, int pid, bool is_shared,
              std::function<void(notify_message)> tell) override {
    on_loop([this, run, pid, is_shared, tell = std::move(tell)]() mutable {
      listen(path(is_shared));
      auto& x = runs_[run];
      pids_.erase(x.pid);
      x = {pid, std::move(tell)};
      if (pid > 0)
        pids_[pid] = run;
    });
  }

  void forget(const run_id& run) override {
    on_loop([this, run] {
      auto found = runs_.find(run);
      if (found == runs_.end())
        return;
      pids_.erase(found->second.pid);
      runs_.erase(found);
    });
  }

private:
  struct listener {
    int pid = 0;
    std::function<void(notify_message)> tell;
  };

  template <class F>
  void on_loop(F f) {
    if (loop_.in_loop())
      return f();
    loop_.post([alive = is_alive_, f = std::move(f)]() mutable {
      if (*alive)
        f();
    });
  }

  void listen(const std::string& where) {
    if (sockets_.contains(where))
      return;
    auto is_common = where == common_path_;
    auto made = is_common ? check_common_dir(common_dir()) : expected<void>{};
    auto socket = made.and_then([&] {
      return notify_socket::listen(
        loop_, where, is_common,
        [this](int pid, std::string_view text) { take(pid, text); });
    });
    if (socket)
      sockets_.emplace(where, std::move(*socket));
    else
      note_(fmt::format("warning notify: {}; nobody can say READY=1 or "
                        "WATCHDOG=1 there",
                        socket.error().text));
  }

  void take(int pid, std::string_view text) {
    auto found = runs_.find(run_of(pid));
    if (found == runs_.end())
      return; // nobody's
    auto tell = found->second.tell;
    tell(parse_notify(text));
  }

  // The nil id if it is of none.
  run_id run_of(int pid) const {
    for (int at = pid, i = 0; at > 1 && i < ancestors_max; ++i) {
      if (auto known = pids_.find(at); known != pids_.end())
        return known->second;
      auto stat = read_process_stat(at);
      if (!stat)
        break;
      if (auto leader = pids_.find(stat->session_id); leader != pids_.end())
        return leader->second;
      at = stat->parent_pid;
    }
    auto text = read_process_variable(pid, run_variable);
    return text ? run_id::parse(*text).value_or(run_id{}) : run_id{};
  }

  event_loop& loop_;
  std::string own_path_;
  std::string common_path_;
  std::function<void(const std::string&)> note_;
  std::map<std::string, std::unique_ptr<notify_socket>> sockets_;
  std::map<run_id, listener> runs_;
  std::unordered_map<int, run_id> pids_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

} // namespace

std::unique_ptr<notifier>
make_loop_notifier(event_loop& loop, const std::string& state_dir,
                   std::function<void(const std::string&)> note) {
  return std::make_unique<loop_notifier>(loop, state_dir, std::move(note));
}

} // namespace pm
