#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>

#include "test/unit/keeper/keeper_client.hpp"

// A keeper's start as its host sees it: not at all.

using namespace pm;
using namespace pm::test;

namespace {

volatile sig_atomic_t sigchld_count = 0;

void count_sigchld(int) {
  sigchld_count = sigchld_count + 1;
}

std::string script(const state_dir& dir, const char* text) {
  auto path = dir.file("fake-keeper");
  std::ofstream{path} << "#!/bin/sh\n" << text << "\n";
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

std::string failure_text(const keeper::keeper_start& how,
                         ec code = ec::keeper_failed) {
  auto socket = keeper::start_keeper(how);
  BOOST_REQUIRE(!socket);
  BOOST_CHECK(socket.error().code == code);
  return socket.error().text;
}

void check_contains(const std::string& text, const std::string& part) {
  BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos,
                      "'" << part << "' is not in: " << text);
}

} // namespace

BOOST_AUTO_TEST_SUITE(launch)

BOOST_AUTO_TEST_CASE(the_host_gets_no_sigchld_and_no_child) {
  struct sigaction action {};
  struct sigaction old {};
  action.sa_handler = count_sigchld;
  BOOST_REQUIRE_EQUAL(::sigaction(SIGCHLD, &action, &old), 0);
  sigchld_count = 0;
  auto base = descriptor_count(::getpid());
  {
    keeper_fixture started;
    BOOST_CHECK_EQUAL(::waitpid(-1, nullptr, WNOHANG), -1);
    BOOST_CHECK_EQUAL(errno, ECHILD);
    BOOST_CHECK_EQUAL(::waitpid(-1, nullptr, WNOHANG | __WALL), -1);
    BOOST_CHECK_NE(read_process_stat(started.pid)->parent_pid, ::getpid());
  }
  BOOST_CHECK_EQUAL(descriptor_count(::getpid()), base);
  BOOST_CHECK_EQUAL(static_cast<int>(sigchld_count), 0);
  BOOST_REQUIRE_EQUAL(::sigaction(SIGCHLD, &old, nullptr), 0);
}

BOOST_AUTO_TEST_CASE(the_keeper_inherits_no_descriptor_of_the_host) {
  unique_fd open_to_all{::open("/dev/zero", O_RDONLY)};
  keeper_fixture started;
  for (auto& entry : std::filesystem::directory_iterator{
         fmt::format("/proc/{}/fd", started.pid)}) {
    std::error_code gone;
    auto target = std::filesystem::read_symlink(entry.path(), gone);
    BOOST_CHECK_NE(target.string(), "/dev/zero");
  }
}

BOOST_AUTO_TEST_CASE(a_long_state_directory_works) {
  state_dir dir;
  auto path = dir.path();
  for (int i = 0; i < 5; ++i)
    path += "/" + std::string(40, 'd');
  std::filesystem::create_directories(path);
  auto socket = keeper::start_keeper({path, bin("pm-keeper"), patience});
  BOOST_REQUIRE_MESSAGE(socket, (socket ? "" : socket.error().text));
  auto peer = keeper::peer_of(socket->get());
  BOOST_REQUIRE(peer);
  keeper_client client{std::move(*socket)};
  BOOST_CHECK_EQUAL(client.output_of(order_of({"echo", "far"})), "far\n");
  client.goodbye();
  BOOST_CHECK(eventually([&] { return has_ended(peer->pidfd.get()); }));
}

BOOST_AUTO_TEST_CASE(connect_or_start_finds_the_one_that_runs) {
  keeper_fixture started;
  started.connect().spawn(order_of({"sleep", "1000"}));
  auto socket = keeper::connect_or_start_keeper(
    {started.dir.path(), bin("pm-keeper"), patience});
  BOOST_REQUIRE(socket);
  BOOST_CHECK_EQUAL(keeper::peer_of(socket->get())->pid, started.pid);
}

BOOST_AUTO_TEST_CASE(nobody_listens_in_an_empty_directory) {
  state_dir dir;
  auto socket = keeper::connect_keeper(dir.path());
  BOOST_REQUIRE(!socket);
  BOOST_CHECK(socket.error().code == ec::unreachable);
  check_contains(socket.error().text, dir.path());
}

BOOST_AUTO_TEST_CASE(a_failed_start_names_the_binary_and_the_reason) {
  state_dir dir;
  auto missing = failure_text({dir.path(), "/nowhere/pm-keeper"});
  check_contains(missing, "/nowhere/pm-keeper");
  auto dead = script(dir, "exit 3");
  auto text = failure_text({dir.path(), dead, patience}, ec::unreachable);
  check_contains(text, dead);
  check_contains(text, "ended before it was ready");
  auto stuck = script(dir, "exec sleep 1000");
  text = failure_text({dir.path(), stuck, milliseconds{50}});
  check_contains(text, "not ready after 50 ms");
  auto saying = script(dir, "printf 'Eno moon tonight' >&3");
  text = failure_text({dir.path(), saying, patience});
  check_contains(text, "no moon tonight");
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_write_is_refused) {
  state_dir dir;
  std::filesystem::permissions(dir.path(), std::filesystem::perms::all);
  check_contains(failure_text({dir.path(), bin("pm-keeper"), patience}),
                 "nobody else");
}

BOOST_AUTO_TEST_CASE(the_keeper_is_found_by_name_or_environment) {
  BOOST_CHECK_EQUAL(keeper::find_keeper("").value(), bin("pm-keeper"));
  BOOST_CHECK_EQUAL(keeper::find_keeper("/bin/true").value(), "/bin/true");
  BOOST_REQUIRE_EQUAL(::setenv("PM_KEEPER", "/nowhere/k", 1), 0);
  auto found = keeper::find_keeper("");
  BOOST_REQUIRE(!found);
  check_contains(found.error().text, "/nowhere/k");
  BOOST_REQUIRE_EQUAL(::unsetenv("PM_KEEPER"), 0);
}

BOOST_AUTO_TEST_CASE(a_keeper_that_nobody_comes_to_leaves) {
  state_dir dir;
  auto binary = bin("pm-keeper");
  auto pid = ::fork();
  if (pid == 0) {
    ::execl(binary.c_str(), binary.c_str(), "--state-dir", dir.path().c_str(),
            nullptr);
    ::_exit(127);
  }
  int status = -1;
  BOOST_CHECK(
    eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
  BOOST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  BOOST_CHECK(!std::filesystem::exists(dir.file("keeper.sock")));
}

BOOST_AUTO_TEST_SUITE_END()
