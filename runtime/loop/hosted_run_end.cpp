#include "runtime/loop/hosted_run.hpp"

#include <algorithm>
#include <csignal>

#include <fcntl.h>

#include "runtime/os/cgroup.hpp"
#include "runtime/os/cgroup_limits.hpp"
#include "runtime/os/proc.hpp"

// How a run ends: its exit, its process group or tree, and its release.

namespace pm {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

// How often a group is asked whether it still lives.
constexpr milliseconds group_pause_min{5};
constexpr milliseconds group_pause_max{100};

// How long the kernel may take to know the end of an orphan: its new parent
// has to reap it first.
constexpr auto end_limit = 3s;

} // namespace

void hosted_run::on_exited(const exit_status& how, timestamp at) {
  if (stage_ != stage::live)
    return;
  stage_ = stage::ended;
  place_.leaders.erase(pid_);
  if (tree_)
    tree_->leader_ended();
  ++place_.counters.exits;
  end_watch_ = {};
  timer_ = {};
  stdin_.reset();
  for (auto& pipe : pipes_)
    if (pipe)
      pipe->drain();
  exit_.exit = how;
  exit_.at = at;
  exit_.group_alive = group_is_alive() || tree_is_alive();
  exit_.over_memory =
    held_.memory && how.signal == SIGKILL && oom_kills_in(cgroup_) > 0;
  if (!exit_.group_alive)
    pidfd_.reset();
  auto told = exit_;
  if (request_.output == output_mode::capture) {
    std::string* texts[] = {&told.stdout_text, &told.stderr_text};
    bool* cuts[] = {&told.stdout_cut, &told.stderr_cut};
    for (size_t i = 0; i < 2; ++i)
      if (pipes_[i]) {
        *texts[i] = std::move(pipes_[i]->text());
        *cuts[i] = pipes_[i]->was_cut();
      }
  }
  to_->exited(std::move(told));
  if (watches_group_)
    watch_group();
  release_if_done();
}

bool hosted_run::group_is_alive() {
  return pidfd_ && send_group_signal(pidfd_.get(), pid_, 0).has_value();
}

bool hosted_run::tree_is_alive() {
  auto is_there =
    tree_ != nullptr
    && (cgroup_.empty() ? tree_->look(around()) : is_populated(cgroup_));
  if (!is_there)
    return false;
  if (kills_tree_)
    signal_tree(SIGKILL); // somebody was born meanwhile
  return true;
}

void hosted_run::watch_group() {
  watches_group_ = true;
  if (stage_ != stage::ended)
    return; // once it has ended
  pause_ = group_pause_min;
  timer_ = place_.loop.timer_at(clock::now(), [this] { look_at_group(); });
}

void hosted_run::look_at_group() {
  if (group_is_alive() || tree_is_alive()) {
    timer_.arm(clock::now() + pause_);
    pause_ = std::min(pause_ * 2, group_pause_max);
    return;
  }
  watches_group_ = false;
  pidfd_.reset();
  to_->group_gone();
  release_if_done();
}

void hosted_run::acknowledge() {
  is_acknowledged_ = true;
  release_if_done();
}

void hosted_run::release_if_done() {
  if (stage_ != stage::ended || !is_acknowledged_ || watches_group_)
    return;
  for (auto& pipe : pipes_)
    if (pipe && pipe->is_open())
      return;
  place_.released(request_.run_id);
}

std::optional<keeper::hold_order>
hosted_run::hold(std::vector<unique_fd>& fds) {
  auto copy = [&](int fd) {
    unique_fd result{fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    if (!result)
      return false;
    fds.push_back(std::move(result));
    return true;
  };
  keeper::hold_order result;
  if (!copy(pidfd()))
    return std::nullopt;
  auto& [out, err] = pipes_;
  result.run_id = request_.run_id;
  result.pid = pid_;
  result.start_ticks = start_ticks_;
  result.spawned_at = spawned_at_;
  result.has_stdout = out && copy(out->fd());
  result.has_stderr = err && copy(err->fd());
  result.has_stdin = stdin_ && copy(stdin_->fd());
  result.is_protected = request_.protect;
  if (request_.output == output_mode::log)
    result.log_file = request_.log_file;
  return result;
}

// -- without a keeper ---------------------------------------------------------

void hosted_run::watch_end() {
  if (stage_ != stage::live || end_watch_)
    return;
  pause_ = group_pause_min;
  timer_ = place_.loop.timer([this] { look_at_end(); });
  auto fd = pidfd();
  auto watch = fd < 0 ? expected<fd_watch>{fd_watch{}}
                      : place_.loop.watch(fd, fd_event::readable, [this](auto) {
                          end_watch_.set(0); // from here on the timer looks
                          look_at_end();
                        });
  if (watch && *watch)
    end_watch_ = std::move(*watch);
  else
    timer_.arm(clock::now()); // it has ended already
}

void hosted_run::look_at_end() {
  auto now = clock::now();
  if (!end_seen_)
    end_seen_ = now;
  auto how = pidfd_ ? exit_of_ended(pid_, pidfd_.get()) : std::nullopt;
  if (!how && pidfd_ && now - *end_seen_ < end_limit) {
    timer_.arm(now + pause_);
    pause_ = std::min(pause_ * 2, group_pause_max);
    return;
  }
  on_exited(how.value_or(exit_status{}),
            std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
}

} // namespace pm
