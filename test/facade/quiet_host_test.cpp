#include "test/facade/facade_fixture.hpp"

#include <atomic>
#include <chrono>
#include <clocale>
#include <csignal>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// A manager leaves the program that embeds it alone.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

std::atomic<int> child_signals{0};

void on_child(int) {
  ++child_signals;
}

size_t entries_of(const char* folder) {
  auto all = std::filesystem::directory_iterator{folder};
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

pid_t own_child(int code) {
  auto pid = ::fork();
  if (pid == 0)
    ::_exit(code);
  return pid;
}

int double_it(int x) {
  return 2 * x;
}

// Everything that spawns.
void use(pm::process_manager& pm) {
  for (int i = 0; i < 10; ++i)
    value_of(pm.run_cli({"true"}));
  value_of(pm.start_cli_background({"sleep", "1000"}, {.handle_id = "s"}));
  value_of(pm.stop_process("s"));
  BOOST_TEST(value_of(pm.run_function<double_it>(21)) == 42);
  BOOST_TEST(value_of(pm.run_python("pm_jobs:add", "[1]")).value.text == "2");
  value_of(pm.start_async_task([] {}, {.handle_id = "t"}));
  value_of(pm.wait_for_process("t"));
}

std::chrono::microseconds median_run(pm::process_manager& pm) {
  std::vector<std::chrono::microseconds> times;
  for (int i = 0; i < 41; ++i) {
    auto from = std::chrono::steady_clock::now();
    value_of(pm.run_cli({"true"}));
    times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - from));
  }
  std::nth_element(times.begin(), times.begin() + 20, times.end());
  return times[20];
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(quiet_host, facade_fixture)

BOOST_AUTO_TEST_CASE(signals_children_umask_and_locale_stay_the_hosts) {
  struct sigaction mine {};
  mine.sa_handler = on_child;
  mine.sa_flags = SA_RESTART;
  struct sigaction before {};
  ::sigaction(SIGCHLD, &mine, &before);
  auto mask = ::umask(027);
  std::setlocale(LC_ALL, "C.UTF-8");
  sigset_t signals_before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signals_before);
  auto descriptors = entries_of("/proc/self/fd");
  auto threads = entries_of("/proc/self/task");
  {
    auto& pm = open();
    child_signals = 0;
    auto first = own_child(3);
    use(pm);
    auto second = own_child(4);
    int status = 0;
    BOOST_TEST(::waitpid(first, &status, 0) == first);
    BOOST_TEST(WEXITSTATUS(status) == 3);
    // Whoever waits for any child gets the host's own and no other.
    BOOST_TEST(::waitpid(-1, &status, 0) == second);
    BOOST_TEST(WEXITSTATUS(status) == 4);
    BOOST_TEST((::waitpid(-1, &status, 0) == -1 && errno == ECHILD));
    BOOST_TEST(child_signals == 2);
  }
  manager.reset();
  struct sigaction after {};
  ::sigaction(SIGCHLD, &before, &after);
  BOOST_TEST((after.sa_handler == on_child));
  BOOST_TEST(::umask(mask) == 027u);
  BOOST_TEST(std::string{std::setlocale(LC_ALL, nullptr)} == "C.UTF-8");
  std::setlocale(LC_ALL, "C");
  sigset_t signals_after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &signals_after);
  for (int number = 1; number < 32; ++number)
    BOOST_TEST(sigismember(&signals_before, number)
               == sigismember(&signals_after, number));
  BOOST_TEST(entries_of("/proc/self/fd") == descriptors);
  BOOST_TEST(
    wait_until([&] { return entries_of("/proc/self/task") == threads; }));
}

// What somebody prints there must not come into our files and sockets. Nothing
// is checked meanwhile: the tests' own words go there too.
BOOST_AUTO_TEST_CASE(closed_standard_streams_are_not_taken) {
  constexpr int first_kept = 700;
  for (int fd = 0; fd <= 2; ++fd) {
    BOOST_REQUIRE(::fcntl(fd, F_DUPFD_CLOEXEC, first_kept) == first_kept + fd);
    ::close(fd);
  }
  auto taken = [] {
    auto count = 0;
    for (int fd = 0; fd <= 2; ++fd)
      count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  manager.reset();
  manager =
    std::make_unique<pm::process_manager>(*system, options(pm::on_exit::stop));
  auto out = manager->run_cli({"echo", "hi"}).get();
  auto sum = manager->run_function<double_it>(21).get();
  auto kept =
    manager->start_cli_background({"sleep", "1000"}, {.handle_id = "s"}).get();
  auto taken_then = taken();
  manager.reset();
  auto taken_after = taken();
  for (int fd = 0; fd <= 2; ++fd) {
    ::dup2(first_kept + fd, fd);
    ::close(first_kept + fd);
  }
  BOOST_TEST(taken_then == 0);
  BOOST_TEST(taken_after == 0);
  BOOST_REQUIRE((out && sum && kept));
  BOOST_TEST(out->stdout_text == "hi\n");
  BOOST_TEST(*sum == 42);
}

// A fork would copy the page tables of all that the host has touched.
BOOST_AUTO_TEST_CASE(a_large_host_spawns_as_fast_as_a_small_one) {
  auto& pm = open();
  auto small = median_run(pm);
  constexpr size_t size = 500u << 20;
  auto memory = std::make_unique<char[]>(size);
  for (size_t i = 0; i < size; i += 4096)
    memory[i] = 1;
  auto large = median_run(pm);
  BOOST_TEST_MESSAGE("run of true: " << small.count() << " us in a small host, "
                                     << large.count() << " us with 500 MB");
  BOOST_TEST(large.count() > 0);
}

BOOST_AUTO_TEST_CASE(many_lives_of_a_manager_leak_nothing) {
  {
    use(open());
    manager.reset();
  }
  auto descriptors = entries_of("/proc/self/fd");
  auto threads = entries_of("/proc/self/task");
  for (int i = 0; i < 5; ++i)
    use(open());
  manager.reset();
  BOOST_TEST(entries_of("/proc/self/fd") == descriptors);
  BOOST_TEST(
    wait_until([&] { return entries_of("/proc/self/task") == threads; }));
}

BOOST_AUTO_TEST_SUITE_END()
