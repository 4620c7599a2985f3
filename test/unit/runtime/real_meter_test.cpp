#include <boost/test/unit_test.hpp>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <pm/oom.hpp>
#include <pm/usage.hpp>

#include "runtime/os/process_table.hpp"

// The meter on real processes.

using namespace pm;
using namespace std::chrono_literals;

namespace {

constexpr size_t touched = 20u << 20;

// A child that leads a session, with a grandchild that uses 20 MiB; both are
// gone with the object.
struct family {
  int ready[2];
  pid_t pid = -1;

  family() {
    BOOST_REQUIRE(::pipe(ready) == 0);
    pid = ::fork();
    if (pid != 0) {
      char byte = 0;
      BOOST_REQUIRE(::read(ready[0], &byte, 1) == 1);
      return;
    }
    ::setsid();
    if (::fork() == 0) {
      auto* much = static_cast<volatile char*>(std::malloc(touched));
      for (size_t i = 0; i < touched; i += 1024)
        much[i] = 1;
      // What it uses is seen in steps of 10 ms.
      while (std::clock() < CLOCKS_PER_SEC / 20)
        much[0] = 2;
      if (::write(ready[1], "x", 1) != 1)
        ::_exit(1);
    }
    for (;;)
      ::pause();
  }

  ~family() {
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
  }
};

struct meter_fixture {
  std::unique_ptr<event_loop> loop = std::move(event_loop::make().value());
  std::unique_ptr<usage_meter> meter =
    make_loop_meter(*loop, [] { return std::vector{1}; });
  family child;
  usage_root root{run_id::make(timestamp{1s}), child.pid, 0};

  // Runs the loop until `holds`, for ten seconds at most.
  template <class F>
  bool run_until(F holds) {
    auto deadline = std::chrono::steady_clock::now() + 10s;
    auto wake = loop->timer([] {});
    while (!holds() && std::chrono::steady_clock::now() < deadline) {
      wake.arm(std::chrono::steady_clock::now() + 100ms);
      loop->run_once(true);
    }
    return holds();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(real_meter, meter_fixture)

BOOST_AUTO_TEST_CASE(a_question_is_answered_with_the_whole_tree) {
  std::optional<usage_meter::answer> answer;
  meter->ask({{root, {run_id::make(timestamp{2s}), 0, 0}}, true, true},
             [&](usage_meter::answer x) { answer = std::move(x); });
  BOOST_REQUIRE(run_until([&] { return answer.has_value(); }));
  BOOST_REQUIRE(answer->size() == 2u);
  BOOST_TEST(!(*answer)[1].has_value());
  auto& usage = (*answer)[0].value();
  BOOST_TEST(usage.processes == 2);
  BOOST_TEST(usage.threads == 2);
  BOOST_TEST(usage.rss_bytes >= touched);
  BOOST_TEST(usage.descriptors.value() >= 4);
  BOOST_TEST((usage.cpu >= 30ms));
  BOOST_REQUIRE(usage.members.size() == 2u);
  BOOST_TEST(usage.members[1].parent_pid == child.pid);
  BOOST_TEST(usage.members[1].name == "usage_test");
}

BOOST_AUTO_TEST_CASE(a_watched_run_is_told_again_and_again_until_forgotten) {
  int told = 0;
  meter->watch(root, [&](const run_usage& x) {
    BOOST_TEST(x.processes == 2);
    ++told;
  });
  BOOST_TEST(run_until([&] { return told >= 2; }));
  meter->forget(root.run_id);
  loop->run_once(false);
  auto turns = loop->counters().turns;
  auto before = told;
  auto wake = loop->timer([] {});
  wake.arm(std::chrono::steady_clock::now() + 1500ms);
  loop->run_once(true);
  BOOST_TEST(told <= before + 1); // what was under way
  BOOST_TEST(loop->counters().turns - turns <= 3u);
}

BOOST_AUTO_TEST_CASE(the_table_has_this_process_and_its_name) {
  auto table = read_process_table();
  auto found = std::find_if(table.begin(), table.end(),
                            [](auto& x) { return x.pid == ::getpid(); });
  BOOST_REQUIRE(found != table.end());
  BOOST_TEST(found->name == "usage_test");
  BOOST_TEST(found->parent_pid == ::getppid());
  BOOST_TEST(!count_descriptors(-1).has_value());
  // A name that looks like the end of it.
  auto stat = parse_process_stat(
    9, "9 (a) S 1) R 2 3 4 0 0 0 0 0 0 0 50 25 100 0 0 0 6 0 77 0 5 0");
  BOOST_REQUIRE(stat.has_value());
  BOOST_TEST(stat->name == "a) S 1");
  BOOST_TEST(stat->state == 'R');
  BOOST_TEST(stat->parent_pid == 2);
  BOOST_TEST(stat->threads == 6);
  BOOST_TEST(stat->start_ticks == 77u);
  BOOST_TEST(!parse_process_stat(9, "9 (a) S 1").has_value());
}

BOOST_AUTO_TEST_CASE(the_witness_does_not_accuse_without_evidence) {
  auto witness = make_oom_witness();
  auto mark = witness->mark();
  BOOST_TEST(witness->words(child.pid, mark) == "");
  if (mark.machine_kills.value_or(0) == 0)
    return;
  --*mark.machine_kills;
  BOOST_TEST(witness->words(child.pid, mark).starts_with("perhaps the OOM"));
}

BOOST_AUTO_TEST_SUITE_END()
