#include <boost/test/unit_test.hpp>

#include <atomic>
#include <csignal>

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <pm/json_fields.hpp>

#include "unit/pmctl/fake_node.hpp"
#include "unit/pmctl/pmctl_child.hpp"

// The live view of `pmctl top` on a terminal, with its keys.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

std::string list_reply(const std::string& more = {}) {
  auto one = [](const std::string& name, double cpu) {
    auto json = to_json(make_view(name, status::running, [&](auto& x) {
      x.cpu_percent = cpu;
      x.rss_bytes = 1 << 20;
    }));
    return json.substr(0, json.size() - 1)
           + R"(,"tree":[{"pid":77,"parent_pid":1,"name":"inner","state":"S",)"
             R"("threads":1,"rss_bytes":5,"cpu_percent":1.5}]})";
  };
  return "[" + one("alpha", 1.0) + "," + one("beta", 2.0) + more + "]";
}

// pmctl on a terminal of its own, as a person has it.
class terminal {
public:
  terminal(const std::string& state_dir, std::vector<std::string> more = {}) {
    winsize size{};
    size.ws_col = 90;
    size.ws_row = 12;
    BOOST_REQUIRE_EQUAL(openpty(&fd_, &other_, nullptr, nullptr, &size), 0);
    BOOST_REQUIRE_EQUAL(tcgetattr(other_, &before_), 0);
    pid_ = fork();
    if (pid_ != 0)
      return;
    close(fd_);
    login_tty(dup(other_));
    std::vector<std::string> argv{
      PM_BIN_DIR "/pmctl", "--state-dir", state_dir, "top", "--every", "100ms"};
    argv.insert(argv.end(), more.begin(), more.end());
    std::vector<char*> words;
    for (auto& x : argv)
      words.push_back(x.data());
    words.push_back(nullptr);
    setenv("TERM", "xterm", 1);
    execv(words[0], words.data());
    _exit(126);
  }

  ~terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
    close(other_);
  }

  void type(std::string_view keys) const {
    BOOST_REQUIRE_EQUAL(write(fd_, keys.data(), keys.size()),
                        static_cast<ssize_t>(keys.size()));
  }

  void resize(unsigned short columns, unsigned short rows) const {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = rows;
    ioctl(fd_, TIOCSWINSZ, &size);
  }

  void send(int number) const { kill(pid_, number); }

  // Waits until the last frame has `text`; shows the frame if it never does.
  bool shows(std::string_view text) {
    auto until = std::chrono::steady_clock::now() + 10s;
    while (frame().find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() > until || !read_some()) {
        BOOST_TEST_MESSAGE("not shown: " << text << "\n" << frame());
        return false;
      }
    }
    return true;
  }

  // The last whole frame.
  std::string frame() const {
    auto end = all_.rfind("\x1b[J");
    if (end == std::string::npos)
      return {};
    auto begin = all_.rfind("\x1b[H", end);
    return all_.substr(begin, end - begin);
  }

  // Waits for the end of the program; 128+N for a signal.
  int end() {
    auto until = std::chrono::steady_clock::now() + 10s;
    while (read_some())
      if (std::chrono::steady_clock::now() > until) {
        BOOST_ERROR("top does not end");
        kill(pid_, SIGKILL);
        break;
      }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // True if the terminal is as it was: its mode, its screen, its cursor.
  bool is_restored() const {
    termios now{};
    tcgetattr(other_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag
           && all_.ends_with("\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l");
  }

private:
  // False: nothing more comes.
  bool read_some() {
    pollfd x{fd_, POLLIN, 0};
    auto is_there = poll(&x, 1, 100) > 0;
    char bytes[4096];
    if (is_there) {
      auto n = read(fd_, bytes, sizeof(bytes));
      if (n <= 0)
        return false;
      all_.append(bytes, static_cast<size_t>(n));
      return true;
    }
    // This end keeps the other one open, to look at its mode.
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info,
                  WEXITED | WNOHANG | WNOWAIT)
             == 0
           && info.si_pid == 0;
  }

  int fd_ = -1;
  int other_ = -1;
  pid_t pid_ = -1;
  termios before_{};
  std::string all_;
};

struct top_fixture {
  fake_node node;

  top_fixture() { node.on_reply("list", list_reply()); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(top_on_a_terminal, top_fixture)

BOOST_AUTO_TEST_CASE(it_shows_sorts_filters_and_quits) {
  terminal screen{node.dir()};
  BOOST_TEST(screen.shows("alpha"));
  auto before = [&](const char* x, const char* y) {
    auto frame = screen.frame();
    return frame.find(x) < frame.find(y);
  };
  BOOST_TEST(before("beta ", "alpha "));
  screen.type("n");
  BOOST_TEST(screen.shows("by name"));
  BOOST_TEST(before("alpha ", "beta "));
  screen.type("/alp");
  BOOST_TEST(screen.shows("filter: alp_"));
  BOOST_TEST(screen.frame().find("beta ") == std::string::npos);
  screen.type("\x7f\x1b");
  BOOST_TEST(screen.shows("beta "));
  screen.type(" ");
  BOOST_TEST(screen.shows("  inner"));
  screen.type("?");
  BOOST_TEST(screen.shows("any key: back"));
  screen.type("xq");
  BOOST_TEST(screen.end() == 0);
  BOOST_TEST(screen.is_restored());
}

BOOST_AUTO_TEST_CASE(keys_act_after_a_question_only) {
  node.on_fail("restart", ec::timeout, "restart 'beta': it hangs\x1b[2J");
  node.on_reply("stop", R"([{"handle_id":"beta","changed":true}])");
  terminal screen{node.dir()};
  BOOST_TEST(screen.shows("beta"));
  screen.type("s");
  BOOST_TEST(screen.shows("stop beta? y: yes"));
  screen.type("n");
  BOOST_TEST(screen.shows("stop beta: not done"));
  BOOST_TEST(node.seen("stop").empty());
  screen.type("sy");
  BOOST_TEST(screen.shows("stop beta: done"));
  auto asked = node.seen("stop");
  BOOST_REQUIRE(asked.size() == 1u);
  BOOST_TEST(asked[0].find(R"("names":["beta"])") != std::string::npos);
  screen.type("ry");
  BOOST_TEST(screen.shows("restart 'beta': it hangs\\x1b[2J"));
  screen.type("\x03");
  BOOST_TEST(screen.end() == 0);
}

BOOST_AUTO_TEST_CASE(signals_end_it_and_the_terminal_is_as_before) {
  for (auto number : {SIGTERM, SIGINT, SIGHUP}) {
    terminal screen{node.dir()};
    BOOST_TEST(screen.shows("alpha"));
    screen.send(number);
    BOOST_TEST(screen.end() == 128 + number);
    BOOST_TEST(screen.is_restored());
  }
}

BOOST_AUTO_TEST_CASE(it_follows_the_size_and_comes_back_from_a_stop) {
  terminal screen{node.dir()};
  BOOST_TEST(screen.shows("q quit"));
  BOOST_TEST(screen.shows("COMMAND"));
  screen.resize(30, 6);
  BOOST_TEST(screen.shows("q quit  / filter  c cpu  m m…"));
  screen.resize(1, 1);
  screen.type("nnmm");
  screen.resize(90, 12);
  BOOST_TEST(screen.shows("r restart"));
  screen.send(SIGTSTP);
  screen.send(SIGCONT);
  screen.type("m");
  BOOST_TEST(screen.shows("by memory"));
  screen.type("q");
  BOOST_TEST(screen.end() == 0);
}

BOOST_AUTO_TEST_CASE(a_node_that_goes_away_is_said_and_found_again) {
  std::atomic<bool> is_gone = false;
  node.on("list", [&](fake_node& on, const rapidjson::Document& request) {
    if (is_gone)
      on.hang_up();
    else
      on.reply(request, list_reply());
  });
  terminal screen{node.dir()};
  BOOST_TEST(screen.shows("2 handles"));
  is_gone = true;
  BOOST_TEST(screen.shows("the node"));
  BOOST_TEST(screen.shows("alpha")); // what was shown last
  is_gone = false;
  BOOST_TEST(screen.shows("2 handles"));
  screen.type("q");
  BOOST_TEST(screen.end() == 0);
}

BOOST_AUTO_TEST_CASE(without_a_terminal_it_prints_one_table) {
  auto result = run_pmctl({"--state-dir", node.dir(), "top", "--sort", "name"});
  BOOST_TEST(result.code == 0);
  BOOST_TEST(result.out.find("2 handles, 2 running") == 0u);
  BOOST_TEST(result.out.find("alpha") < result.out.find("beta"));
  BOOST_TEST(result.out.find('\x1b') == std::string::npos);
  BOOST_TEST(node.seen("list").size() == 1u);
  auto json = run_pmctl({"--state-dir", node.dir(), "--json", "top"});
  BOOST_TEST(json.out.starts_with("[{\"handle_id\":\"alpha\""));
  BOOST_TEST(run_pmctl({"top", "--every", "5ms"}).code == 2);
  BOOST_TEST(run_pmctl({"top", "--sort", "colour"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
