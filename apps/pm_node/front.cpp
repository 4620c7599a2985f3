#include "apps/pm_node/front.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/os/proc.hpp"

namespace pm {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto look_pause = 50ms; // between two looks for the next node
// How long the kernel may take to tell how a node ended that is not our child,
// and how long nobody may be there who could start one.
constexpr auto patience = 3s;
// How long a keeper may take that starts the node; it waits 30 s at most.
constexpr auto keeper_limit = 40s;
constexpr auto missing_limit = 500ms; // of node.pid

int pid_in(const std::string& path) {
  int pid = 0;
  std::ifstream{path} >> pid;
  return pid;
}

class front {
public:
  front(std::string state_dir, int signals)
    : state_dir_(std::move(state_dir)), signals_(signals) {}

  int watch(int child);

private:
  std::optional<int> exit_code() const;
  std::optional<int> find_next();
  void pass_signals(std::chrono::milliseconds limit);
  bool keeper_lives() const;

  std::string state_dir_;
  int signals_ = -1;
  unique_fd node_;
  int child_ = 0; // 0 once it has been waited for
  int node_pid_ = 0;
  int pending_ = 0; // a signal that nobody was there for
};

// Passes signals on; returns when the node has ended, or after `limit`.
void front::pass_signals(std::chrono::milliseconds limit) {
  auto until = clock::now() + limit;
  for (;;) {
    auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
    auto wait = limit.count() < 0 ? -1 : static_cast<int>(left.count());
    if (limit.count() >= 0 && wait <= 0)
      return;
    pollfd fds[] = {{signals_, POLLIN, 0}, {node_.get(), POLLIN, 0}};
    if (::poll(fds, node_ ? 2 : 1, wait) <= 0)
      continue;
    signalfd_siginfo signal{};
    if ((fds[0].revents & POLLIN) != 0
        && ::read(signals_, &signal, sizeof(signal)) == sizeof(signal)) {
      pending_ = static_cast<int>(signal.ssi_signo);
      if (node_ && send_signal(node_.get(), pending_))
        pending_ = 0;
    }
    if (node_ && fds[1].revents != 0)
      return;
  }
}

// None: it did not end by itself, or nobody knows how.
std::optional<int> front::exit_code() const {
  if (child_ != 0) {
    int status = 0;
    ::waitpid(child_, &status, 0);
    if (WIFEXITED(status))
      return WEXITSTATUS(status);
    return std::nullopt;
  }
  for (auto until = clock::now() + patience; clock::now() < until;) {
    if (auto how = exit_of_reaped(node_.get()))
      return how->code;
    ::poll(nullptr, 0, 5);
  }
  return std::nullopt;
}

bool front::keeper_lives() const {
  auto pid = pid_in(state_dir_ + "/keeper.pid");
  return pid > 0 && read_start_ticks(pid).has_value();
}

// Waits for the node that the keeper starts: none then, else the exit code
// when there will be none.
std::optional<int> front::find_next() {
  auto pid_file = state_dir_ + "/node.pid";
  std::optional<clock::time_point> missing_since;
  auto last_moment = clock::now() + keeper_limit;
  for (auto until = clock::now() + patience; clock::now() < until;) {
    auto pid = pid_in(pid_file);
    auto found = pid > 0 && pid != node_pid_ ? open_pidfd(pid)
                                             : expected<unique_fd>{unique_fd{}};
    if (found && *found && pid_in(pid_file) == pid) {
      node_ = std::move(*found);
      node_pid_ = pid;
      if (pending_ != 0 && send_signal(node_.get(), pending_))
        pending_ = 0;
      return std::nullopt;
    }
    // A node takes its file away when its end is wanted.
    if (pid > 0)
      missing_since.reset();
    else if (!missing_since)
      missing_since = clock::now();
    else if (clock::now() - *missing_since > missing_limit)
      return EXIT_SUCCESS;
    if (keeper_lives())
      until = std::min(clock::now() + patience, last_moment);
    pass_signals(look_pause);
  }
  return 128 + SIGKILL;
}

int front::watch(int child) {
  child_ = node_pid_ = child;
  auto opened = open_pidfd(child);
  if (opened)
    node_ = std::move(*opened);
  for (;;) {
    if (node_)
      pass_signals(-1ms);
    auto code = exit_code();
    child_ = 0;
    node_.reset();
    if (code)
      return *code;
    if (auto none = find_next())
      return *none;
  }
}

} // namespace

std::optional<int> stand_in_front(const std::string& state_dir) {
  sigset_t heard;
  sigset_t before;
  sigemptyset(&heard);
  for (auto number : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&heard, number);
  sigprocmask(SIG_BLOCK, &heard, &before);
  unique_fd signals{::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK)};
  auto child = signals ? ::fork() : -1;
  if (child <= 0) {
    // The terminal's signals are for the front, which passes them on. Without
    // one, this process is the node itself.
    if (child == 0)
      ::setsid();
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return std::nullopt;
  }
  return front{state_dir, signals.get()}.watch(child);
}

} // namespace pm
