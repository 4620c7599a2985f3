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
// How long the kernel may take to tell how a node ended that is not our child.
constexpr auto patience = 3s;
// How long nobody may be there who could start one.
constexpr auto alone_limit = 500ms;
// How long a keeper may take that starts the node; it waits 30 s at most.
constexpr auto keeper_limit = 40s;
constexpr auto missing_limit = 500ms; // of node.pid
// Between two nodes that the front has to start; a node that lives longer than
// the last one begins anew.
constexpr auto start_pause_min = 100ms;
constexpr auto start_pause_max = 10'000ms;

int pid_in(const std::string& path) {
  int pid = 0;
  std::ifstream{path} >> pid;
  return pid;
}

// What became of the wait for the next node.
enum class next_node { is_there, was_not_wanted, nobody_starts_it };

class front {
public:
  front(std::string state_dir, std::vector<std::string> resume, int signals,
        sigset_t mask)
    : state_dir_(std::move(state_dir)),
      resume_(std::move(resume)),
      signals_(signals),
      mask_(mask) {}

  int watch(int child);

private:
  void take_child(int child);
  void reap();
  void hear();
  std::optional<int> exit_code();
  next_node find_next();
  void start_node();
  void pass_signals(std::chrono::milliseconds limit);
  bool keeper_lives() const;

  std::string state_dir_;
  std::vector<std::string> resume_;
  int signals_ = -1;
  sigset_t mask_; // of the node
  unique_fd node_;
  int child_ = 0;                  // the node, if it is ours
  std::optional<int> child_ended_; // its wait status
  clock::time_point child_began_;
  std::chrono::milliseconds start_pause_ = start_pause_min;
  int node_pid_ = 0;
  int pending_ = 0; // a signal that nobody was there for
};

void front::take_child(int child) {
  child_ = node_pid_ = child;
  child_ended_.reset();
  child_began_ = clock::now();
  if (auto opened = open_pidfd(child))
    node_ = std::move(*opened);
}

// The node, or as PID 1 whoever has lost its parent.
void front::reap() {
  int status = 0;
  for (int pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == child_)
      child_ended_ = status;
}

void front::hear() {
  signalfd_siginfo signal{};
  while (::read(signals_, &signal, sizeof(signal)) == sizeof(signal)) {
    if (signal.ssi_signo == SIGCHLD) {
      reap();
      continue;
    }
    pending_ = static_cast<int>(signal.ssi_signo);
    if (node_ && send_signal(node_.get(), pending_))
      pending_ = 0;
  }
}

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
    if ((fds[0].revents & POLLIN) != 0)
      hear();
    if (node_ && fds[1].revents != 0)
      return;
  }
}

// None: it did not end by itself, or nobody knows how.
std::optional<int> front::exit_code() {
  if (child_ != 0) {
    int status = 0;
    if (!child_ended_ && ::waitpid(child_, &status, 0) == child_)
      child_ended_ = status;
    if (child_ended_ && WIFEXITED(*child_ended_))
      return WEXITSTATUS(*child_ended_);
    return std::nullopt;
  }
  for (auto until = clock::now() + patience; clock::now() < until;) {
    if (auto how = exit_of_ended(node_pid_, node_.get()))
      return how->code;
    ::poll(nullptr, 0, 5);
  }
  return std::nullopt;
}

bool front::keeper_lives() const {
  auto pid = pid_in(state_dir_ + "/keeper.pid");
  auto stat = read_process_stat(pid);
  return pid > 0 && stat && stat->state != 'Z'; // which nobody reaps, perhaps
}

// Waits for the node that the keeper starts.
next_node front::find_next() {
  auto pid_file = state_dir_ + "/node.pid";
  std::optional<clock::time_point> missing_since;
  auto last_moment = clock::now() + keeper_limit;
  for (auto until = clock::now() + alone_limit; clock::now() < until;) {
    auto pid = pid_in(pid_file);
    auto found = pid > 0 && pid != node_pid_ ? open_pidfd(pid)
                                             : expected<unique_fd>{unique_fd{}};
    if (found && *found && pid_in(pid_file) == pid) {
      node_ = std::move(*found);
      node_pid_ = pid;
      if (pending_ != 0 && send_signal(node_.get(), pending_))
        pending_ = 0;
      return next_node::is_there;
    }
    // A node takes its file away when its end is wanted.
    if (pid > 0)
      missing_since.reset();
    else if (!missing_since)
      missing_since = clock::now();
    else if (clock::now() - *missing_since > missing_limit)
      return next_node::was_not_wanted;
    if (keeper_lives() || missing_since)
      until =
        std::min<clock::time_point>(clock::now() + alone_limit, last_moment);
    pass_signals(look_pause);
  }
  return next_node::nobody_starts_it;
}

// Both halves are gone. What they have left lives on, and the next node takes
// it over.
void front::start_node() {
  if (clock::now() - child_began_ > start_pause_max)
    start_pause_ = start_pause_min;
  pass_signals(start_pause_);
  start_pause_ =
    std::min<std::chrono::milliseconds>(2 * start_pause_, start_pause_max);
  auto child = ::fork();
  if (child == 0) {
    ::setsid();
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
    std::vector<char*> words;
    for (auto& word : resume_)
      words.push_back(word.data());
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  if (child > 0)
    take_child(child);
}

int front::watch(int child) {
  take_child(child);
  for (;;) {
    if (node_)
      pass_signals(-1ms);
    auto code = exit_code();
    child_ = 0;
    node_.reset();
    if (code)
      return *code;
    if (resume_.empty())
      return 128 + SIGKILL;
    switch (find_next()) {
    case next_node::is_there:
      break;
    case next_node::was_not_wanted:
      return EXIT_SUCCESS;
    case next_node::nobody_starts_it:
      // Whoever has asked for its end has got it.
      if (pending_ == SIGTERM || pending_ == SIGINT)
        return 128 + pending_;
      start_node();
    }
  }
}

} // namespace

std::optional<int> stand_in_front(const std::string& state_dir,
                                  const std::vector<std::string>& resume) {
  sigset_t heard;
  sigset_t before;
  sigemptyset(&heard);
  for (auto number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
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
  return front{state_dir, resume, signals.get(), before}.watch(child);
}

} // namespace pm
