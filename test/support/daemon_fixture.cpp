#include "test/support/daemon_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace pm::test {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Starts a program with the given descriptors as 0, 1, 2.
int spawn_with(const std::vector<std::string>& argv, int in, int out, int err) {
  std::vector<char*> words;
  for (auto& x : argv)
    words.push_back(const_cast<char*>(x.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  int pid = -1;
  auto failed =
    ::posix_spawnp(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  BOOST_REQUIRE_MESSAGE(failed == 0, argv[0] << ": errno " << failed);
  return pid;
}

int exit_code(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
                                : 128 + WTERMSIG(wait_status);
}

// Reads what is there; false at the end.
bool take(int fd, std::string& to) {
  char buffer[65536];
  auto n = ::read(fd, buffer, sizeof buffer);
  if (n > 0)
    to.append(buffer, static_cast<size_t>(n));
  return n > 0 || (n < 0 && errno == EINTR);
}

} // namespace

command_result run_command(const std::vector<std::string>& argv,
                           const std::string& input,
                           std::chrono::milliseconds deadline) {
  int in[2];
  int out[2];
  int err[2];
  BOOST_REQUIRE(::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0
                && ::pipe2(err, O_CLOEXEC) == 0);
  auto pid = spawn_with(argv, in[0], out[1], err[1]);
  for (auto fd : {in[0], out[1], err[1]})
    ::close(fd);
  std::thread feeder{[&, fd = in[1]] {
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
    for (size_t at = 0; at < input.size();) {
      auto n = ::write(fd, input.data() + at, input.size() - at);
      if (n <= 0)
        break;
      at += static_cast<size_t>(n);
    }
    ::close(fd);
  }};
  command_result result;
  auto until = clock::now() + deadline;
  pollfd fds[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (clock::now() > until) {
      ::kill(pid, SIGKILL);
      BOOST_ERROR(argv[0] + " did not end in time");
      break;
    }
    if (::poll(fds, 2, 100) <= 0)
      continue;
    for (auto i : {0, 1})
      if (fds[i].revents != 0
          && !take(fds[i].fd, i == 0 ? result.out : result.err))
        fds[i].fd = -1;
  }
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  feeder.join();
  result.code = exit_code(status);
  return result;
}

bool wait_until(const std::function<bool()>& holds,
                std::chrono::milliseconds deadline) {
  auto until = clock::now() + deadline;
  while (!holds()) {
    if (clock::now() > until)
      return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

temporary_directory::temporary_directory() {
  auto base = std::filesystem::temp_directory_path() / "pm-test-XXXXXX";
  path_ = base.string();
  BOOST_REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string temporary_directory::write(const std::string& name,
                                       const std::string& text) const {
  std::ofstream{file(name)} << text;
  return file(name);
}

std::string read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool process_exists(int pid) {
  auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  auto paren = stat.rfind(')');
  return paren != std::string::npos && paren + 2 < stat.size()
         && stat[paren + 2] != 'Z' && stat[paren + 2] != 'X';
}

std::string program(const std::string& name) {
  return std::string{PM_BIN_DIR} + "/" + name;
}

std::string child(const std::string& name) {
  return program("children/" + name);
}

// -- the daemon ---------------------------------------------------------------

void daemon_fixture::start(const std::string& config,
                           const std::vector<std::string>& more) {
  std::vector<std::string> argv{program("pm-node"), "--state-dir", state_dir()};
  if (!respawns_)
    argv.emplace_back("--no-respawn"); // a crash leaves the field to the test
  if (!config.empty()) {
    argv.push_back("--config");
    argv.push_back(directory_.write("pm-node.json", config));
  }
  argv.insert(argv.end(), more.begin(), more.end());
  auto log = directory_.file("node.stderr");
  auto null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  auto err =
    ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  node_pid_ = spawn_with(argv, null, null, err);
  ::close(null);
  ::close(err);
  crashed_ = false;
  auto ready = wait_until([&] {
    return ctl({"list", "-q"}).code == 0 || !process_exists(node_pid_);
  });
  BOOST_REQUIRE_MESSAGE(ready && process_exists(node_pid_),
                        "pm-node does not answer: " << node_stderr());
}

std::string daemon_fixture::node_stderr() const {
  return read_file(directory_.file("node.stderr"));
}

int daemon_fixture::end(int signal) {
  ::kill(node_pid_, signal);
  return wait_for_end();
}

int daemon_fixture::wait_for_end() {
  int status = 0;
  auto ended = wait_until(
    [&] { return ::waitpid(node_pid_, &status, WNOHANG) == node_pid_; }, 60s);
  BOOST_REQUIRE_MESSAGE(ended, "pm-node does not end: " << node_stderr());
  node_pid_ = -1;
  return exit_code(status);
}

void daemon_fixture::crash() {
  BOOST_TEST(end(SIGKILL) == 128 + SIGKILL);
  crashed_ = true;
}

void daemon_fixture::abandon() {
  auto keeper = keeper_pid();
  if (node_pid_ > 0)
    end(SIGKILL);
  ::kill(keeper, SIGKILL);
  BOOST_TEST(wait_until([&] { return !process_exists(keeper); }));
  crashed_ = false;
}

daemon_fixture::~daemon_fixture() {
  if (node_pid_ < 0 && !crashed_)
    return;
  if (node_pid_ < 0) // let a new one end what lives on
    start();
  auto keeper = std::atoi(read_file(state_dir() + "/keeper.pid").c_str());
  ctl({"shutdown", "--timeout", "30s"});
  int status = 0;
  if (!wait_until(
        [&] { return ::waitpid(node_pid_, &status, WNOHANG) == node_pid_; }))
    BOOST_ERROR("pm-node does not end: " + node_stderr());
  BOOST_CHECK_MESSAGE(wait_until([&] { return !process_exists(keeper); }),
                      "the keeper outlives the shutdown");
}

command_result daemon_fixture::ctl(std::vector<std::string> args,
                                   const std::string& input) {
  args.insert(args.begin(), {program("pmctl"), "--state-dir", state_dir()});
  return run_command(args, input);
}

rapidjson::Document daemon_fixture::ctl_json(std::vector<std::string> args,
                                             int code) {
  args.insert(args.begin(), "--json");
  auto result = ctl(args);
  BOOST_TEST_CONTEXT("pmctl " << args.at(1) << ": " << result.err)
  BOOST_REQUIRE_EQUAL(result.code, code);
  rapidjson::Document document;
  document.Parse(result.out.c_str());
  BOOST_REQUIRE_MESSAGE(!document.HasParseError(), result.out);
  return document;
}

rapidjson::Document daemon_fixture::show(const std::string& name) {
  return ctl_json({"show", name});
}

std::string daemon_fixture::status_of(const std::string& name) {
  auto result = ctl({"--json", "show", name});
  rapidjson::Document document;
  document.Parse(result.out.c_str());
  return result.code == 0 && document.IsObject()
           ? document["status"].GetString()
           : "";
}

int daemon_fixture::pid_of(const std::string& name) {
  auto view = show(name);
  return view["pid"].IsInt() ? view["pid"].GetInt() : 0;
}

bool daemon_fixture::wait_for_status(const std::string& name,
                                     const std::string& status) {
  return wait_until([&] { return status_of(name) == status; });
}

std::string daemon_fixture::log_of(const std::string& name) {
  return read_file(state_dir() + "/logs/" + name + ".log");
}

int daemon_fixture::keeper_pid() {
  return ctl_json({"version"})["node"]["keeper_pid"].GetInt();
}

} // namespace pm::test
