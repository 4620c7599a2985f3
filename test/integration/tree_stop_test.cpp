#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "test/support/groups_permitted.hpp"

// A stop ends the whole tree, and nobody else.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct tree_fixture : daemon_fixture {
  // Starts `count` trees, and waits until all of each are there.
  void grow(int count, const std::string& how, size_t size,
            const std::string& mode = "tree",
            const std::string& cgroups = "off") {
    std::string config =
      R"({"node": {"cgroups": ")" + cgroups + R"("}, "processes": {)";
    for (int i = 0; i < count; ++i)
      config += fmt::format(
        R"("t{}": {{"command": ["{}", "{}"{}], "restart": "never", )"
        R"("shutdown": {{"timeout": "300ms", "kill_mode": "{}"}}}},)",
        i, child("child_escape"), file_of(i), how, mode);
    config += R"("other": {"command": ["sleep", "1000"]}, )";
    start(config + "}}");
    for (int i = 0; i < count; ++i) {
      BOOST_TEST_REQUIRE(wait_until([&] { return members(i).size() == size; }));
      for (auto pid : members(i))
        all.push_back(pid);
      all.push_back(pid_of("t" + std::to_string(i)));
    }
    other = pid_of("other");
  }

  ~tree_fixture() {
    for (auto pid : all)
      if (process_exists(pid))
        ::kill(pid, SIGKILL);
  }

  std::string file_of(int i) const {
    return directory().file("pids" + std::to_string(i));
  }

  std::vector<int> members(int i) const {
    std::istringstream in{read_file(file_of(i))};
    std::vector<int> pids;
    for (int pid = 0; in >> pid;)
      pids.push_back(pid);
    return pids;
  }

  size_t alive() const {
    size_t count = 0;
    for (auto pid : all)
      count += process_exists(pid) ? 1 : 0;
    return count;
  }

  void check_all_gone() {
    auto begin = std::chrono::steady_clock::now();
    auto stopped = ctl({"stop", "t*"});
    BOOST_TEST(stopped.code == 0, stopped.err);
    BOOST_TEST(alive() == 0u);
    auto took = std::chrono::steady_clock::now() - begin;
    BOOST_TEST_MESSAGE(
      all.size()
      << " processes ended in "
      << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
      << " ms");
    BOOST_TEST(process_exists(other));
    BOOST_TEST(pid_of("other") == other);
  }

  std::string home_of_groups() const {
    auto path = read_file(state_dir() + "/cgroup");
    BOOST_REQUIRE(!path.empty());
    return path;
  }

  static size_t groups_in(const std::string& home) {
    size_t count = 0;
    for (auto& entry : std::filesystem::directory_iterator{home})
      count += entry.is_directory() ? 1 : 0;
    return count;
  }

  std::vector<int> all;
  int other = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(stopping_a_tree, tree_fixture)

BOOST_AUTO_TEST_CASE(fifty_that_double_fork_setsid_and_ignore_term) {
  grow(50, "", 3);
  check_all_gone();
}

BOOST_AUTO_TEST_CASE(
  those_that_cleared_their_environment_are_found_by_parents) {
  grow(5, R"(, "clear")", 5);
  check_all_gone();
}

BOOST_AUTO_TEST_CASE(fifty_in_cgroups_of_their_own,
                     *boost::unit_test::precondition(groups_are_permitted)) {
  grow(50, "", 3, "tree", "on");
  auto home = home_of_groups();
  BOOST_TEST(groups_in(home) == 51u);
  check_all_gone();
  BOOST_TEST(wait_until([&] { return groups_in(home) == 1u; })); // of `other`
}

// Nobody but its group knows of them: no parent, no environment.
BOOST_AUTO_TEST_CASE(a_cgroup_has_those_that_nothing_else_finds,
                     *boost::unit_test::precondition(groups_are_permitted)) {
  grow(5, R"(, "clear")", 5, "tree", "on");
  for (int restarts = 0; restarts < 2; ++restarts) {
    crash();
    start(); // the group is on record
  }
  auto home = home_of_groups();
  check_all_gone();
  BOOST_TEST(ctl({"stop", "other"}).code == 0);
  BOOST_TEST(wait_until([&] { return groups_in(home) == 0u; }));
}

BOOST_AUTO_TEST_CASE(it_is_found_after_a_crash_of_the_node_too) {
  grow(5, "", 3);
  crash();
  start();
  check_all_gone();
}

BOOST_AUTO_TEST_CASE(the_group_mode_leaves_other_sessions_alone) {
  grow(1, "", 3, "group");
  BOOST_TEST(ctl_json({"orphans"}).Size() == 0u);
  BOOST_TEST(ctl({"stop", "t0"}).code == 0);
  BOOST_TEST(alive() == 2u);
  BOOST_TEST(ctl_json({"orphans"}).Size() == 2u);
  BOOST_TEST(ctl({"orphans", "--kill"}).code == 0);
  BOOST_TEST(alive() == 0u);
  BOOST_TEST(process_exists(other));
}

BOOST_AUTO_TEST_CASE(what_was_left_is_a_process_again_when_it_is_adopted) {
  grow(1, "", 3, "group");
  BOOST_TEST(ctl({"stop", "t0"}).code == 0);
  BOOST_TEST(alive() == 2u);
  auto adopted = ctl({"orphans", "--adopt"});
  BOOST_TEST(adopted.code == 0, adopted.err);
  BOOST_TEST(ctl_json({"orphans"}).Size() == 0u);
  crash(); // they are on record
  start();
  BOOST_TEST(ctl_json({"orphans"}).Size() == 0u);
  BOOST_TEST(ctl_json({"list", "--status", "running", "orphan-*"}).Size()
             == 2u);
  BOOST_TEST(ctl({"stop", "orphan-*", "--force"}).code == 0);
  BOOST_TEST(alive() == 0u);
  BOOST_TEST(process_exists(other));
}

BOOST_AUTO_TEST_SUITE_END()
