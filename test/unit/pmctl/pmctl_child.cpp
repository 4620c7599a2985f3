#include "unit/pmctl/pmctl_child.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

namespace pm::test {

namespace {

constexpr std::chrono::seconds child_time_max{20};

struct pipe_ends {
  int read = -1;
  int write = -1;
};

pipe_ends make_pipe() {
  int fds[2];
  BOOST_REQUIRE_EQUAL(pipe2(fds, O_CLOEXEC), 0);
  return {fds[0], fds[1]};
}

pipe_ends make_terminal() {
  pipe_ends ends;
  winsize size{};
  size.ws_col = 60;
  size.ws_row = 24;
  BOOST_REQUIRE_EQUAL(openpty(&ends.read, &ends.write, nullptr, nullptr, &size),
                      0);
  fcntl(ends.read, F_SETFD, FD_CLOEXEC);
  fcntl(ends.write, F_SETFD, FD_CLOEXEC);
  return ends;
}

[[noreturn]] void exec_child(const std::vector<std::string>& argv,
                             const child_options& options, int in, int out,
                             int err) {
  setpgid(0, 0);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (auto name : {"PM_STATE_DIR", "PM_SOCKET", "NO_COLOR"})
    unsetenv(name);
  for (auto& entry : options.environment)
    putenv(const_cast<char*>(entry.c_str()));
  std::vector<char*> words;
  for (auto& word : argv)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  _exit(126);
}

// Reads what is there; closes at the end.
void read_into(int& fd, std::string& text) {
  char bytes[65536];
  auto n = read(fd, bytes, sizeof(bytes));
  if (n > 0) {
    text.append(bytes, static_cast<size_t>(n));
  } else {
    close(fd);
    fd = -1;
  }
}

void write_from(int& fd, std::string_view& rest) {
  auto n = write(fd, rest.data(), rest.size());
  if (n > 0)
    rest.remove_prefix(static_cast<size_t>(n));
  if (n <= 0 || rest.empty()) {
    close(fd);
    fd = -1;
  }
}

} // namespace

child_outcome run_child(const std::vector<std::string>& argv,
                        const child_options& options) {
  auto in = make_pipe();
  auto out = options.terminal ? make_terminal() : make_pipe();
  auto err = make_pipe();
  signal(SIGPIPE, SIG_IGN);
  auto pid = fork();
  if (pid > 0)
    setpgid(pid, pid);
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);
    exec_child(argv, options, in.read, out.write, err.write);
  }
  for (auto fd : {in.read, out.write, err.write})
    close(fd);
  fcntl(in.write, F_SETFL, O_NONBLOCK);
  child_outcome outcome;
  std::string_view rest = options.input;
  if (rest.empty() && !options.then) {
    close(in.write);
    in.write = -1;
  }
  auto told = !options.then;
  auto until = std::chrono::steady_clock::now() + child_time_max;
  while (out.read >= 0 || err.read >= 0) {
    std::array<pollfd, 3> fds{pollfd{out.read, POLLIN, 0},
                              pollfd{err.read, POLLIN, 0},
                              pollfd{rest.empty() ? -1 : in.write, POLLOUT, 0}};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    if (left.count() <= 0
        || poll(fds.data(), fds.size(), static_cast<int>(left.count())) == 0) {
      BOOST_ERROR("the child did not end in time");
      kill(-pid, SIGKILL); // a pipeline is ended whole
      break;
    }
    if (fds[0].revents)
      read_into(out.read, outcome.out);
    if (fds[1].revents)
      read_into(err.read, outcome.err);
    if (fds[2].revents)
      write_from(in.write, rest);
    if (!told && outcome.out.find(options.when) != std::string::npos) {
      told = true;
      options.then(pid);
    }
  }
  for (auto fd : {out.read, err.read, in.write})
    if (fd >= 0)
      close(fd);
  int status = 0;
  waitpid(pid, &status, 0);
  outcome.code =
    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

child_outcome run_pmctl(const std::vector<std::string>& arguments,
                        const child_options& options) {
  std::vector<std::string> argv{PM_BIN_DIR "/pmctl"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_child(argv, options);
}

} // namespace pm::test
