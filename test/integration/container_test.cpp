#include <boost/test/unit_test.hpp>

#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/daemon_fixture.hpp"

// pm-node as PID 1 of a pid namespace, as in a container.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct container {
  container() { BOOST_REQUIRE(::mkdir(state.c_str(), 0700) == 0); }

  ~container() {
    if (outside > 0) {
      ::kill(init(), SIGKILL); // all of the namespace goes with it
      ::waitpid(outside, nullptr, 0);
    }
  }

  void start(const std::string& processes) {
    auto config =
      directory.write("c.json", "{\"processes\": {" + processes + "}}");
    outside = ::fork();
    if (outside == 0) {
      auto log = ::open(directory.file("stderr").c_str(),
                        O_WRONLY | O_CREAT | O_TRUNC, 0600);
      ::dup2(log, 2);
      auto node = program("pm-node");
      ::execlp("unshare", "unshare", "--pid", "--fork", "--mount-proc",
               node.c_str(), "--state-dir", state.c_str(), "--config",
               config.c_str(), nullptr);
      ::_exit(127);
    }
    BOOST_REQUIRE(wait_until([&] { return ctl({"list"}).code == 0; }));
  }

  // Its PID 1, as it is called outside.
  int init() const {
    auto children = read_file("/proc/" + std::to_string(outside) + "/task/"
                              + std::to_string(outside) + "/children");
    return children.empty() ? -1 : std::stoi(children);
  }

  command_result ctl(std::vector<std::string> args) const {
    args.insert(args.begin(), {program("pmctl"), "--state-dir", state});
    return run_command(args);
  }

  // Runs it inside, by the node.
  std::string inside(const std::string& script) const {
    return ctl({"run", "--", "sh", "-c", script}).out;
  }

  std::string shown(const std::string& name, const std::string& key) const {
    rapidjson::Document view;
    view.Parse(ctl({"show", name, "--json"}).out.c_str());
    if (!view.IsObject() || !view.HasMember(key.c_str()))
      return {};
    auto& x = view[key.c_str()];
    return x.IsString() ? x.GetString()
           : x.IsInt()  ? std::to_string(x.GetInt())
                        : std::string{};
  }

  // Kills what runs inside under these names of pid files.
  void kill_inside(const std::string& files) const {
    auto dir = "cd " + state + " && ";
    ctl({"start", "--name", "killer", "--restart", "never", "--", "sh", "-c",
         dir + "kill -9 $(cat " + files + ")"});
  }

  std::string zombies() const {
    return inside("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null");
  }

  int wait_for_end() {
    int status = 0;
    BOOST_REQUIRE(wait_until(
      [&] { return ::waitpid(outside, &status, WNOHANG) == outside; }));
    outside = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  temporary_directory directory;
  std::string state = directory.file("state");
  int outside = -1; // unshare, which waits for PID 1
};

constexpr auto web = R"("web": {"command": ["sleep", "1000"]})";

boost::test_tools::assertion_result
unsharing_is_permitted(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result{
    run_command({"unshare", "--pid", "--fork", "--mount-proc", "true"}).code
    == 0};
  result.message() << "this user may not make a pid namespace";
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(as_pid_1,
                      *boost::unit_test::precondition(unsharing_is_permitted))

BOOST_FIXTURE_TEST_CASE(a_crash_of_either_half_does_not_end_the_container,
                        container) {
  start(web);
  auto pid = shown("web", "pid");
  BOOST_TEST(inside("cat /proc/1/comm") == "pm-node\n");
  for (auto files : {"node.pid", "keeper.pid", "node.pid keeper.pid"}) {
    BOOST_TEST_CONTEXT(files) {
      auto before = read_file(directory.file("state/node.pid"));
      kill_inside(files);
      auto node_dies = std::string_view{files}.starts_with("node");
      BOOST_REQUIRE(wait_until([&] {
        auto now = read_file(directory.file("state/node.pid"));
        return (!node_dies || (now != before && !now.empty()))
               && shown("web", "status") == "running";
      }));
      BOOST_TEST(shown("web", "pid") == pid);
    }
  }
  BOOST_TEST(wait_until([&] { return zombies().empty(); }));
  BOOST_TEST(ctl({"shutdown"}).code == 0);
  BOOST_TEST(wait_for_end() == 0);
}

BOOST_FIXTURE_TEST_CASE(orphans_are_reaped, container) {
  start(web);
  inside("for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1' & ) ; done");
  BOOST_TEST(wait_until([&] { return zombies().empty(); }));
  // Whose parent is nobody of ours: they come to PID 1 itself.
  kill_inside("keeper.pid");
  BOOST_REQUIRE(
    wait_until([&] { return shown("web", "status") == "running"; }));
  BOOST_TEST(ctl({"stop", "web"}).code == 0);
  BOOST_TEST(wait_until([&] { return zombies().empty(); }));
}

BOOST_FIXTURE_TEST_CASE(sigterm_ends_all_in_order, container) {
  start(
    R"("web": {"command": "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"})");
  auto path = directory.file("state/logs/web.log");
  BOOST_REQUIRE(wait_until([&] { return read_file(path) == "up\n"; }));
  ::kill(init(), SIGTERM);
  BOOST_TEST(wait_for_end() == 0);
  auto log = read_file(path);
  BOOST_TEST(log.find("bye\n") != log.npos, log);
}

BOOST_FIXTURE_TEST_CASE(an_essential_process_takes_the_container_down,
                        container) {
  start(std::string{web} + R"(, "main": {"essential": true, "restart": "never",
    "command": "while [ ! -e )"
        + directory.file("go") + R"( ]; do sleep 0.05; done; exit 3"})");
  directory.write("go", "");
  BOOST_TEST(wait_for_end() == 1);
  auto said = read_file(directory.file("stderr"));
  BOOST_TEST(said.find("'main'") != said.npos, said);
}

BOOST_AUTO_TEST_SUITE_END()
