#include <boost/test/unit_test.hpp>

#include <csignal>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "test/support/groups_permitted.hpp"

// Limits of real processes, and what is shown of their use.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct limits_fixture : daemon_fixture {
  // A process that does what `words` say; more keys behind.
  static std::string user(const std::string& name, const std::string& words,
                          const std::string& keys) {
    return fmt::format(R"("{}": {{"command": "exec {} {}", {}
             "shutdown": {{"timeout": "2s"}}}})",
                       name, child("child_use"), words, keys);
  }

  static std::string config(const std::string& processes) {
    return "{\"processes\": {" + processes + "}}";
  }

  std::string text_of(const std::string& name, const char* key) {
    return show(name)[key].GetString();
  }

  int number_of(const std::string& name, const char* key) {
    auto view = show(name);
    return view[key].IsInt() ? view[key].GetInt() : -1;
  }

  // The first run was ended for its memory, and the next one has begun.
  bool is_restarted_for_memory(const std::string& name) {
    return wait_until([&] { return number_of(name, "restart_count") > 0; })
           && text_of(name, "cause") == "memory_limit";
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(limits_of_real_children, limits_fixture)

BOOST_AUTO_TEST_CASE(whoever_of_the_tree_grows_the_run_is_restarted) {
  auto limit = R"("memory_limit": "40MB", "restart_delay": "30s",)";
  start(config(
    user("alone", "memory 60", R"("memory_limit": "40MB",)") + ","
    + user("parent", "child memory 60", R"("memory_limit": "40MB",)") + ","
    + user("orphan", "orphan memory 60", R"("memory_limit": "40MB",)") + ","
    + user("once", "memory 60", limit) + ","
    + user("within", "child memory 20", limit)));
  for (auto name : {"alone", "parent", "orphan"})
    BOOST_TEST(is_restarted_for_memory(name), name);
  BOOST_TEST(wait_for_status("once", "backoff"));
  auto text = text_of("once", "status_text");
  BOOST_TEST(text.starts_with("memory_limit: "), text);
  BOOST_TEST(text.ends_with("used by 1 process, the limit is 40.0 MB; "
                            "restarts in 30s"),
             text);
  BOOST_TEST(text_of("once", "exit_signal") == "TERM");
  auto why = ctl({"why", "once"}).out;
  BOOST_TEST(why.find("by memory_limit") != std::string::npos, why);
  BOOST_TEST(status_of("within") == "running");
  BOOST_TEST(number_of("within", "restart_count") == 0);
}

BOOST_AUTO_TEST_CASE(what_a_tree_uses_is_shown) {
  start(config(user("tree", "child memory 20", "")));
  BOOST_REQUIRE(wait_until([&] {
    auto view = show("tree");
    return view["rss_bytes"].IsUint64()
           && view["rss_bytes"].GetUint64() > 20'000'000;
  }));
  auto view = show("tree");
  BOOST_TEST(view["processes"].GetInt() == 2);
  BOOST_TEST(view["threads"].GetInt() == 2);
  BOOST_TEST(view["descriptors"].GetInt() >= 6);
  BOOST_TEST(view["cpu_percent"].GetDouble() >= 0.0);
  auto wide = ctl({"list", "-o", "wide"}).out;
  BOOST_TEST(wide.find("PROCS  THREADS  FDS") != std::string::npos);
  auto top = ctl_json({"top"});
  BOOST_REQUIRE(top.IsArray() && top.Size() == 1u);
  auto& tree = top[0]["tree"];
  BOOST_REQUIRE(tree.Size() == 2u);
  BOOST_TEST(tree[1]["parent_pid"].GetInt() == pid_of("tree"));
  BOOST_TEST(std::string{tree[1]["name"].GetString()} == "child_use");
  BOOST_TEST(ctl({"top", "--once"}).out.find("1 handles, 1 running; 2 proc")
             == 0u);
}

BOOST_AUTO_TEST_CASE(a_new_limit_holds_without_a_restart) {
  auto path = directory().write(
    "c.json", config(user("web", "memory 20", R"("memory_limit": "400MB",)")));
  start({}, {"--config", path});
  auto pid = pid_of("web");
  directory().write(
    "c.json", config(user("web", "memory 20", R"("memory_limit": "300MB",)")));
  auto diff = ctl({"diff"}).out;
  BOOST_TEST(diff.find("memory_limit") != std::string::npos, diff);
  BOOST_TEST(ctl({"apply"}).code == 0);
  BOOST_TEST(pid_of("web") == pid);
  directory().write(
    "c.json", config(user("web", "memory 20", R"("memory_limit": "10MB",)")));
  BOOST_TEST(ctl({"apply"}).code == 0);
  BOOST_TEST(is_restarted_for_memory("web"));
}

BOOST_AUTO_TEST_CASE(limits_hold_for_what_a_new_node_takes_over) {
  start(config(user("web", "memory 20", R"("memory_limit": "400MB",)")));
  auto pid = pid_of("web");
  crash();
  start(config(user("web", "memory 20", R"("memory_limit": "10MB",)")));
  BOOST_TEST(is_restarted_for_memory("web"));
  BOOST_TEST(!process_exists(pid));
}

BOOST_AUTO_TEST_CASE(a_core_too_much_is_told_and_no_more) {
  start(config(user("busy", "child cpu", R"("cpu_limit": "20%",)")));
  auto pid = pid_of("busy");
  BOOST_REQUIRE(
    wait_until([&] { return !text_of("busy", "status_text").empty(); }, 60s));
  auto text = text_of("busy", "status_text");
  BOOST_TEST(text.starts_with("cpu_limit: "), text);
  BOOST_TEST(text.ends_with("over the last 10s, the limit is 0.20"), text);
  BOOST_TEST(pid_of("busy") == pid);
  auto events = ctl({"events"}).out;
  BOOST_TEST(events.find("busy running -> running") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_kill_by_somebody_is_no_accusation) {
  start(config(user("web", "", R"("restart": "never",)")));
  ::kill(pid_of("web"), SIGKILL);
  BOOST_TEST(wait_for_status("web", "failed"));
  BOOST_TEST(text_of("web", "status_text") == "");
}

// By the kernel where its controllers can be had, else by measuring.
BOOST_AUTO_TEST_CASE(limits_hold_in_groups_of_their_own,
                     *boost::unit_test::precondition(groups_are_permitted)) {
  auto limit = R"("memory_limit": "40MB",)";
  start(R"({"node": {"cgroups": "on"}, "processes": {)"
        + user("grows", "child memory 60", limit) + ","
        + user("within", "memory 20", limit) + "}}");
  BOOST_TEST(is_restarted_for_memory("grows"));
  auto why = ctl({"why", "grows"}).out;
  BOOST_TEST(why.find("memory_limit: ") != std::string::npos, why);
  BOOST_TEST(number_of("within", "restart_count") == 0);
}

// Where this user may make a cgroup with a memory limit.
BOOST_AUTO_TEST_CASE(a_kill_by_the_kernel_is_told_as_such) {
  auto group = fmt::format("/sys/fs/cgroup/memory/pm-test-{}", ::getpid());
  if (::mkdir(group.c_str(), 0755) != 0) {
    BOOST_TEST_MESSAGE("no memory cgroup of version 1 here: not tested");
    return;
  }
  std::ofstream{group + "/memory.limit_in_bytes"} << 30'000'000;
  std::ofstream{group + "/memory.memsw.limit_in_bytes"} << 30'000'000;
  start(config(R"("web": {"restart": "never", "command": "echo $$$$ > )" + group
               + "/cgroup.procs; exec " + child("child_use")
               + " memory 100\"}"));
  BOOST_TEST(wait_for_status("web", "failed"));
  auto why = ctl({"why", "web"}).out;
  BOOST_TEST(why.find("the OOM killer") != std::string::npos, why);
  BOOST_TEST(wait_until([&] { return ::rmdir(group.c_str()) == 0; }));
}

BOOST_AUTO_TEST_SUITE_END()
