#define BOOST_TEST_MODULE tree_accounts
#include <boost/test/unit_test.hpp>

#include "runtime/usage/oom_evidence.hpp"
#include "runtime/usage/tree_accounts.hpp"

using namespace pm;
using namespace std::chrono_literals;

namespace {

constexpr int keeper = 50;

// A table of processes by hand, and the accounts on it.
struct table_fixture {
  std::vector<process_stat> table;
  tree_accounts accounts;
  std::map<int, std::string> environments;
  std::vector<int> asked;
  tree_accounts::clock::time_point now{1h};
  usage_root web{run_id::make(timestamp{1s}), 100, 1};
  usage_root job{run_id::make(timestamp{2s}), 200, 1};

  process_stat& add(int pid, int parent, int session, uint64_t rss = 1) {
    process_stat x;
    x.pid = pid;
    x.parent_pid = parent;
    x.session_id = session;
    x.start_ticks = 1;
    x.state = 'S';
    x.threads = 1;
    x.rss_bytes = rss;
    auto at = std::find_if(table.begin(), table.end(),
                           [&](auto& y) { return y.pid > pid; });
    return *table.insert(at, x);
  }

  process_stat& at(int pid) {
    return *std::find_if(table.begin(), table.end(),
                         [&](auto& x) { return x.pid == pid; });
  }

  void remove(int pid) {
    std::erase_if(table, [&](auto& x) { return x.pid == pid; });
  }

  usage_meter::answer look(const std::vector<usage_root>& roots,
                           bool members = false) {
    now += 1s;
    tree_accounts::sample from{&table, {keeper, 1}, now, [&](int pid) {
                                 asked.push_back(pid);
                                 return environments[pid];
                               }};
    return accounts.add_up(roots, from, members);
  }

  std::string pids(const usage_root& root) {
    std::string result;
    auto answer = look({root}, true);
    for (auto& x : answer[0].value().members)
      result += fmt::format("{} ", x.pid);
    return result;
  }

  std::chrono::microseconds cpu(const usage_root& root) {
    return look({root})[0].value().cpu;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(trees, table_fixture)

BOOST_AUTO_TEST_CASE(a_tree_is_its_leader_and_all_below) {
  add(1, 0, 1);
  add(keeper, 1, keeper);
  add(100, keeper, 100, 10);
  add(101, 100, 100, 20).threads = 3;
  add(102, 101, 102, 40); // a session of its own
  add(99, 102, 102, 80);  // a lower pid than its parent's
  add(200, keeper, 200, 1000);
  auto both = look({web, job});
  BOOST_TEST(both[0].value().rss_bytes == 150u);
  BOOST_TEST(both[0]->processes == 4);
  BOOST_TEST(both[0]->threads == 6);
  BOOST_TEST(both[0]->members.empty());
  BOOST_TEST(both[1].value().rss_bytes == 1000u);
  BOOST_TEST(pids(web) == "99 100 101 102 ");
}

BOOST_AUTO_TEST_CASE(orphans_are_found_by_session_memory_and_environment) {
  add(keeper, 1, keeper);
  add(100, keeper, 100);
  add(101, keeper, 100); // its parent has ended; the session is the leader's
  add(102, 100, 102);
  add(103, keeper, 103); // was never seen below the leader
  add(104, 103, 103);
  environments[103] = web.run_id.str();
  BOOST_TEST(pids(web) == "100 101 102 103 104 ");
  at(102).parent_pid = keeper; // now it is one, and is remembered
  BOOST_TEST(pids(web) == "100 101 102 103 104 ");
  // Also whose child the keeper is.
  BOOST_TEST(fmt::format("{}", fmt::join(asked, " ")) == "50 103");
}

BOOST_AUTO_TEST_CASE(a_pid_that_means_another_process_does_not_belong) {
  add(keeper, 1, keeper);
  add(100, keeper, 100);
  add(101, 100, 101);
  BOOST_TEST(pids(web) == "100 101 ");
  at(101).parent_pid = 1;
  at(101).start_ticks = 7;
  BOOST_TEST(pids(web) == "100 ");
  at(100).start_ticks = 7;
  BOOST_TEST(!look({web})[0].has_value());
}

BOOST_AUTO_TEST_CASE(zombies_use_cpu_time_and_nothing_else) {
  add(100, keeper, 100).cpu = 1s;
  auto& zombie = add(101, 100, 100);
  zombie.state = 'Z';
  zombie.cpu = 2s;
  auto usage = look({web})[0].value();
  BOOST_TEST(usage.processes == 1);
  BOOST_TEST(usage.rss_bytes == 1u);
  BOOST_TEST((usage.cpu == 3s));
}

BOOST_AUTO_TEST_CASE(cpu_time_does_not_go_back_when_a_child_ends) {
  add(100, keeper, 100).cpu = 1s;
  add(101, 100, 100).cpu = 5s;
  BOOST_TEST((cpu(web) == 6s));
  remove(101); // waited for: it is in the parent's count
  at(100).children_cpu = 5s;
  BOOST_TEST((cpu(web) == 6s));
  add(102, keeper, 100).cpu = 4s;
  BOOST_TEST((cpu(web) == 10s));
  remove(102); // by the keeper: it is in nobody's
  BOOST_TEST((cpu(web) == 10s));
  at(100).cpu = 3s;
  BOOST_TEST((cpu(web) == 12s));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(oom)

BOOST_AUTO_TEST_CASE(what_is_known_of_a_kill_is_said_and_no_more) {
  BOOST_TEST(describe_oom({}) == "");
  BOOST_TEST(describe_oom({"", 0, 0, 12.0}) == "");
  BOOST_TEST(
    describe_oom({"", 0, 1, 0.0})
    == "perhaps the OOM killer: it has ended a process on this machine "
       "since the run began");
  BOOST_TEST(describe_oom({"", 2, 2, 12.34})
             == "probably the OOM killer: it has ended 2 processes in pm's "
                "cgroup since the run began; somebody waited for memory 12.3% "
                "of the last 10s");
  BOOST_TEST(describe_oom({"Out of memory: Killed process 7 (x)", 1, 1, {}})
             == "the OOM killer did it, by the kernel's log: Out of memory: "
                "Killed process 7 (x)");
}

BOOST_AUTO_TEST_CASE(counters_and_messages_are_read_exactly) {
  BOOST_TEST(counter_in("a 1\noom_kill 42\n", "oom_kill").value() == 42u);
  BOOST_TEST(counter_in("oom_kill_disable 0\noom_kill 7", "oom_kill").value()
             == 7u);
  BOOST_TEST(!counter_in("oom 3\n", "oom_kill").has_value());
  BOOST_TEST(!counter_in("oom_kill x\n", "oom_kill").has_value());
  BOOST_TEST(
    stalled_in("some avg10=1.25 avg60=0.00 avg300=0.00 total=7\n").value()
    == 1.25);
  BOOST_TEST(!stalled_in("full avg10=1.25\n").has_value());
  auto record = "3,9,77,-;Memory cgroup out of memory: Killed process 42 "
                "(perl) total-vm:1kB\n SUBSYSTEM=x\n";
  BOOST_TEST(oom_message(record, 42)
             == "Memory cgroup out of memory: Killed process 42 (perl) "
                "total-vm:1kB");
  BOOST_TEST(oom_message(record, 4) == "");
  BOOST_TEST(oom_message("6,1,1,-;Killed process 42 (x)", 42) == "");
}

BOOST_AUTO_TEST_CASE(the_cgroup_that_counts_is_found) {
  auto files = oom_files_of("12:cpu,cpuacct:/a\n3:memory:/b\n0::/c\n", "/cg");
  std::vector<std::string> wanted{"/cg/memory/b/memory.oom_control",
                                  "/cg/c/memory.events",
                                  "/cg/unified/c/memory.events"};
  BOOST_TEST(files == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
