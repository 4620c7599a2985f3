#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <map>

#include <stdlib.h>

#include "runtime/os/cgroup_limits.hpp"

// What is written to which file of a group: on plain files, which take
// whatever they get. The kernel's own are tried in real_limits_test.

namespace {

namespace fs = std::filesystem;

struct group_fixture {
  group_fixture() {
    char name[] = "/tmp/pm-group-XXXXXX";
    root = ::mkdtemp(name);
    fs::create_directories(home());
  }

  ~group_fixture() { fs::remove_all(root); }

  std::string home() const { return root + "/unit/pm"; }

  void put(const std::string& group, const std::string& file,
           const std::string& text) {
    std::ofstream{fs::path{root} / group / file} << text;
  }

  std::string text(const std::string& group, const std::string& file) const {
    std::ifstream in{fs::path{root} / group / file};
    std::string line;
    std::getline(in, line);
    return line;
  }

  void put_limit_files() {
    for (auto file :
         {"memory.max", "memory.swap.max", "memory.oom.group", "cpu.max"})
      put("unit/pm", file, "");
  }

  std::string root;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cgroup_limits, group_fixture)

BOOST_AUTO_TEST_CASE(limits_are_written_as_the_kernel_reads_them) {
  put_limit_files();
  auto held = pm::limit_cgroup(home(), {50'000'000, 0.5});
  BOOST_TEST(held.memory);
  BOOST_TEST(held.cpu);
  BOOST_TEST(text("unit/pm", "memory.max") == "50000000");
  BOOST_TEST(text("unit/pm", "memory.swap.max") == "0");
  BOOST_TEST(text("unit/pm", "memory.oom.group") == "1");
  BOOST_TEST(text("unit/pm", "cpu.max") == "50000 100000");
}

BOOST_AUTO_TEST_CASE(what_has_no_limit_any_more_is_set_free) {
  put_limit_files();
  auto held = pm::limit_cgroup(home(), {});
  BOOST_TEST(!held.memory);
  BOOST_TEST(!held.cpu);
  BOOST_TEST(text("unit/pm", "memory.max") == "max");
  BOOST_TEST(text("unit/pm", "cpu.max") == "max 100000");
  BOOST_TEST(text("unit/pm", "memory.swap.max") == "");
}

BOOST_AUTO_TEST_CASE(the_least_that_the_kernel_takes_is_a_hundredth_of_a_core) {
  put_limit_files();
  BOOST_TEST(pm::limit_cgroup(home(), {{}, 0.001}).cpu);
  BOOST_TEST(text("unit/pm", "cpu.max") == "1000 100000");
}

BOOST_AUTO_TEST_CASE(without_the_controllers_nothing_is_held_or_made) {
  auto held = pm::limit_cgroup(home(), {50'000'000, 0.5});
  BOOST_TEST(!held.memory);
  BOOST_TEST(!held.cpu);
  BOOST_TEST(fs::is_empty(home()));
}

BOOST_AUTO_TEST_CASE(controllers_are_handed_down_through_both_groups) {
  put("unit", "cgroup.controllers", "cpuset cpu memory pids");
  put("unit", "cgroup.subtree_control", "memory");
  put("unit/pm", "cgroup.controllers", "cpu memory");
  put("unit/pm", "cgroup.subtree_control", "");
  BOOST_TEST(pm::hand_down_controllers(home()) == "");
  BOOST_TEST(text("unit", "cgroup.subtree_control") == "+cpury"); // over it
  BOOST_TEST(text("unit/pm", "cgroup.subtree_control") == "+cpuory");
}

BOOST_AUTO_TEST_CASE(what_is_in_the_way_is_told) {
  put("unit", "cgroup.controllers", "cpu pids");
  auto told = pm::hand_down_controllers(home()); // no subtree_control to write
  BOOST_TEST(told
             == "cgroups: " + root
                  + "/unit lacks the controllers memory (not there), cpu (kept "
                    "back: the group above has processes of its own, or is not "
                    "ours)");
}

BOOST_AUTO_TEST_CASE(kills_are_counted_by_the_kernel) {
  BOOST_TEST(pm::oom_kills_in(home()) == 0u);
  put("unit/pm", "memory.events",
      "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n");
  BOOST_TEST(pm::oom_kills_in(home()) == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
