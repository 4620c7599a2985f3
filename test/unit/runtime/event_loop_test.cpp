#define BOOST_TEST_MODULE event_loop
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "runtime/os/unique_fd.hpp"
#include "test/unit/runtime/loop_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(event_loop_test)

BOOST_FIXTURE_TEST_CASE(functions_from_four_threads_all_run_in_each_ones_order,
                        loop_fixture) {
  constexpr int each = 5000;
  std::vector<int> last(4, -1);
  int done = 0;
  auto ordered = true;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; ++i)
        loop->post([&, t, i] {
          ordered = ordered && last[t] == i - 1;
          last[t] = i;
          if (++done == 4 * each)
            loop->stop();
        });
    });
  loop->run();
  for (auto& thread : threads)
    thread.join();
  BOOST_TEST(done == 4 * each);
  BOOST_TEST(ordered);
  BOOST_TEST(loop->counters().posted == 4u * each);
}

BOOST_FIXTURE_TEST_CASE(a_full_inbox_refuses_until_it_has_been_emptied,
                        loop_fixture) {
  size_t ran = 0;
  for (size_t i = 0; i < event_loop::inbox_max; ++i)
    BOOST_REQUIRE(loop->try_post([&] { ++ran; }));
  BOOST_TEST(!loop->try_post([&] { ++ran; }));
  BOOST_TEST(run_until([&] { return ran == event_loop::inbox_max; }));
  BOOST_TEST(loop->try_post([&] { ++ran; }));
}

BOOST_FIXTURE_TEST_CASE(a_function_posted_within_one_runs_in_a_later_turn,
                        loop_fixture) {
  auto inner = false;
  auto seen = true;
  loop->post([&] {
    loop->post([&] { inner = true; });
    seen = inner;
  });
  BOOST_TEST(run_until([&] { return inner; }));
  BOOST_TEST(!seen);
}

BOOST_FIXTURE_TEST_CASE(stop_before_run_lets_run_return_at_once, loop_fixture) {
  loop->stop();
  loop->run();
  std::thread other{[&] { loop->stop(); }};
  loop->run();
  other.join();
}

BOOST_FIXTURE_TEST_CASE(only_the_thread_that_runs_is_in_the_loop,
                        loop_fixture) {
  BOOST_TEST(loop->in_loop());
  auto inside = false;
  auto outside = true;
  std::thread runner{[&] { loop->run(); }};
  loop->post([&] {
    inside = loop->in_loop();
    std::thread other{[&] { outside = loop->in_loop(); }};
    other.join();
    loop->stop();
  });
  runner.join();
  BOOST_TEST(inside);
  BOOST_TEST(!outside);
}

BOOST_FIXTURE_TEST_CASE(an_idle_loop_does_not_turn, loop_fixture) {
  int calls = 0;
  loop->set_turn_hook([&] {
    ++calls;
    return false;
  });
  auto far = loop->timer_at(steady::now() + 1h, [] {});
  loop->run_once(false);
  auto turns = loop->counters().turns;
  auto timer = loop->timer_at(steady::now() + 300ms, [&] { loop->stop(); });
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_THREAD, &before);
  loop->run();
  ::getrusage(RUSAGE_THREAD, &after);
  BOOST_TEST(loop->counters().turns - turns <= 3u);
  BOOST_TEST(after.ru_nvcsw - before.ru_nvcsw <= 3);
  BOOST_TEST(calls <= 10);
}

BOOST_FIXTURE_TEST_CASE(the_hook_keeps_the_loop_turning_while_it_has_work,
                        loop_fixture) {
  int left = 1000;
  loop->set_turn_hook([&] {
    if (left == 0)
      return false;
    if (--left == 0)
      loop->stop();
    return left > 0;
  });
  auto begin = steady::now();
  loop->run();
  BOOST_TEST(left == 0);
  BOOST_TEST((steady::now() - begin < 5s));
}

BOOST_FIXTURE_TEST_CASE(wake_brings_the_hook_about_from_another_thread,
                        loop_fixture) {
  std::atomic<bool> work{false};
  auto seen = false;
  loop->set_turn_hook([&] {
    if (work.exchange(false)) {
      seen = true;
      loop->stop();
    }
    return false;
  });
  std::thread runner{[&] { loop->run(); }};
  work = true;
  loop->wake();
  runner.join();
  BOOST_TEST(seen);
}

BOOST_FIXTURE_TEST_CASE(a_timer_is_never_early, loop_fixture) {
  for (int i = 0; i < 50; ++i) {
    auto due = steady::now() + 1ms + std::chrono::microseconds{i * 37};
    std::optional<steady::time_point> rang;
    auto timer = loop->timer_at(due, [&] { rang = steady::now(); });
    BOOST_REQUIRE(run_until([&] { return rang.has_value(); }));
    BOOST_TEST((*rang >= due));
    BOOST_TEST((*rang - due < 500ms));
  }
}

BOOST_FIXTURE_TEST_CASE(timers_ring_in_order_and_cancelled_ones_do_not,
                        loop_fixture) {
  std::vector<int> rang;
  auto now = steady::now();
  auto third = loop->timer_at(now + 30ms, [&] { rang.push_back(3); });
  auto first = loop->timer_at(now + 10ms, [&] { rang.push_back(1); });
  auto second = loop->timer_at(now + 20ms, [&] { rang.push_back(2); });
  auto never = loop->timer_at(now + 15ms, [&] { rang.push_back(0); });
  never.cancel();
  {
    auto gone = loop->timer_at(now + 15ms, [&] { rang.push_back(-1); });
  }
  BOOST_TEST(run_until([&] { return rang.size() == 3; }));
  BOOST_TEST(rang == (std::vector{1, 2, 3}), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_timer_may_be_armed_again_and_destroyed_in_its_call,
                        loop_fixture) {
  int count = 0;
  loop_timer timer;
  timer = loop->timer([&] {
    if (++count < 3)
      timer.arm(steady::now() + 1ms);
    else
      timer = {};
  });
  timer.arm(steady::now());
  BOOST_TEST(run_until([&] { return count == 3; }));
  run_for(10ms);
  BOOST_TEST(count == 3);
  BOOST_TEST(!timer);
}

BOOST_FIXTURE_TEST_CASE(a_watch_tells_pauses_and_goes_on, loop_fixture) {
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  int calls = 0;
  auto watch =
    loop->watch(read_end.get(), fd_event::readable, [&](unsigned events) {
      BOOST_TEST(events == fd_event::readable);
      ++calls;
    });
  BOOST_REQUIRE(watch.has_value());
  BOOST_REQUIRE(::write(write_end.get(), "x", 1) == 1);
  BOOST_TEST(run_until([&] { return calls > 0; }));
  watch->set(0);
  calls = 0;
  run_for(20ms);
  BOOST_TEST(calls == 0);
  watch->set(fd_event::readable);
  BOOST_TEST(run_until([&] { return calls > 0; }));
}

BOOST_FIXTURE_TEST_CASE(a_closed_watch_is_silent_though_the_file_is_shared,
                        loop_fixture) {
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  unique_fd copy{::fcntl(ends[0], F_DUPFD_CLOEXEC, 0)};
  int calls = 0;
  {
    unique_fd read_end{ends[0]};
    auto watch = loop->watch(read_end.get(), fd_event::readable,
                             [&](unsigned) { ++calls; });
    BOOST_REQUIRE(watch.has_value());
    loop->run_once(false);
  }
  ::close(ends[1]); // now it is readable for ever
  auto turns = loop->counters().turns;
  run_for(30ms);
  BOOST_TEST(calls == 0);
  BOOST_TEST(loop->counters().turns - turns <= 5u);
}

BOOST_FIXTURE_TEST_CASE(a_watch_may_be_destroyed_in_its_own_call,
                        loop_fixture) {
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  int calls = 0;
  fd_watch watch;
  auto made = loop->watch(read_end.get(), fd_event::readable,
                          [&, big = std::string(1000, 'x')](unsigned) {
                            watch = {};
                            calls += big[999] == 'x';
                          });
  BOOST_REQUIRE(made.has_value());
  watch = std::move(*made);
  BOOST_REQUIRE(::write(write_end.get(), "x", 1) == 1);
  BOOST_TEST(run_until([&] { return calls > 0; }));
  run_for(10ms);
  BOOST_TEST(calls == 1);
}

BOOST_FIXTURE_TEST_CASE(hangup_is_told_without_reading, loop_fixture) {
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)
                == 0);
  unique_fd ours{ends[0]};
  unsigned seen = 0;
  auto watch = loop->watch(ours.get(), fd_event::hangup,
                           [&](unsigned events) { seen = events; });
  BOOST_REQUIRE(watch.has_value());
  BOOST_REQUIRE(::write(ends[1], "x", 1) == 1);
  run_for(10ms);
  BOOST_TEST(seen == 0u);
  ::close(ends[1]);
  BOOST_TEST(run_until([&] { return seen == fd_event::hangup; }));
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_watched_is_an_error, loop_fixture) {
  unique_fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  auto watch = loop->watch(file.get(), fd_event::readable, [](unsigned) {});
  BOOST_TEST(!watch.has_value());
  BOOST_TEST(!loop->watch(9999, fd_event::readable, [](unsigned) {}));
}

BOOST_FIXTURE_TEST_CASE(work_runs_elsewhere_and_is_done_here, loop_fixture) {
  std::thread::id where;
  auto here = false;
  loop->work([&] { where = std::this_thread::get_id(); },
             [&] { here = loop->in_loop(); });
  BOOST_TEST(run_until([&] { return here; }));
  BOOST_TEST((where != std::this_thread::get_id()));
}

BOOST_FIXTURE_TEST_CASE(signals_arrive_on_the_loop, loop_fixture) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::vector<int> seen;
  {
    auto watch = loop->watch_signals(
      {SIGUSR1, SIGUSR2}, [&](int number) { seen.push_back(number); });
    BOOST_REQUIRE(watch.has_value());
    ::raise(SIGUSR1); // to this thread: the pool's would die of it
    BOOST_TEST(run_until([&] { return seen.size() == 1; }));
    ::raise(SIGUSR2);
    BOOST_TEST(run_until([&] { return seen.size() == 2; }));
  }
  BOOST_TEST(seen == (std::vector{SIGUSR1, SIGUSR2}),
             boost::test_tools::per_element());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

BOOST_AUTO_TEST_CASE(a_loop_ends_with_everything_still_open) {
  auto before = open_descriptors();
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  fd_watch watch;
  loop_timer timer;
  auto done = false;
  {
    auto loop = event_loop::make().value();
    watch =
      std::move(*loop->watch(ends[0], fd_event::readable, [](unsigned) {}));
    timer = loop->timer_at(steady::now() + 1h, [] {});
    for (int i = 0; i < 20; ++i)
      loop->work([] { ::usleep(1000); }, [&] { done = true; });
    loop->post([&] { done = true; });
  }
  BOOST_TEST(!done);
  watch.set(fd_event::writable); // nothing is there any more
  timer.arm(steady::now());
  watch = {};
  timer = {};
  ::close(ends[0]);
  ::close(ends[1]);
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
