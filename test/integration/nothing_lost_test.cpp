#include "test/integration/writers_fixture.hpp"

#include <atomic>

// Kill either half, or both, at any moment: no line is lost, doubled or torn,
// no exit code disappears, and no process is started again.

using namespace pm::test;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(nothing_is_lost, writers_fixture)

BOOST_AUTO_TEST_CASE(ten_kills_of_the_node) {
  start_writers(10);
  std::vector<std::chrono::milliseconds> silent;
  for (int i = 0; i < 10; ++i) {
    let_it_write();
    silent.push_back(kill_node());
    check_same_processes();
  }
  std::sort(silent.begin(), silent.end());
  BOOST_TEST_MESSAGE("answers again after " << silent.front().count() << " to "
                                            << silent.back().count() << " ms");
  BOOST_TEST(silent[silent.size() / 2].count() < 1000);
  BOOST_TEST(end_and_check() == 0u);
}

// Files change while the halves die.
BOOST_AUTO_TEST_CASE(kills_among_rotations) {
  start_writers(
    4, 1, R"({"size_max": "150KB", "files_max": 10000, "compress": "gzip"})");
  for (int i = 0; i < 12; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{random()() % 200});
    if (i % 4 == 3)
      kill_both();
    else
      kill_node();
    check_same_processes();
  }
  auto unknown = end_and_check();
  BOOST_TEST_MESSAGE(unknown << " exits of 4 are unknown");
}

BOOST_AUTO_TEST_CASE(ten_kills_of_the_keeper) {
  start_writers(10);
  for (int i = 0; i < 10; ++i) {
    let_it_write();
    kill_keeper();
    check_same_processes();
  }
  kill_node(); // the last keeper holds what it was given
  check_same_processes();
  auto unknown = end_and_check();
  BOOST_TEST_MESSAGE(unknown << " exits of 10 are unknown");
}

BOOST_AUTO_TEST_CASE(kills_of_both_at_once) {
  start_writers(10);
  for (int i = 0; i < 4; ++i) {
    let_it_write();
    kill_both();
    check_same_processes();
  }
  auto unknown = end_and_check();
  BOOST_TEST_MESSAGE(unknown << " exits of 10 are unknown");
}

BOOST_AUTO_TEST_CASE(kills_that_wait_for_nothing) {
  start_writers(10);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 15; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{random()() % 40});
      kill_if_there(random()() % 3 == 0 ? "keeper.pid" : "node.pid");
    }
    bring_back();
    check_same_processes();
  }
  auto unknown = end_and_check();
  BOOST_TEST_MESSAGE(unknown << " exits of 10 are unknown");
}

BOOST_AUTO_TEST_CASE(a_start_during_a_kill_is_made_once) {
  start();
  auto once = directory().file("once");
  constexpr int starts = 40;
  std::atomic<bool> done{false};
  std::thread killer{[&] {
    for (int i = 0; !done; ++i) {
      std::this_thread::sleep_for(30ms);
      auto pid = pid_in(i % 3 == 0 ? "node.pid" : "keeper.pid");
      if (pid > 0)
        ::kill(pid, SIGKILL);
      wait_until([&] { return answers(); });
    }
  }};
  for (int i = 0; i < starts; ++i) {
    auto name = fmt::format("j{}", i);
    // A connection that was cut says nothing of the start; the record does.
    constexpr int no_such = 5;
    for (auto known = no_such; known == no_such;) {
      ctl({"start", "--name", name, "--restart", "never", "--", "sh", "-c",
           fmt::format("echo {} >> {}; exit 3", name, once)});
      BOOST_REQUIRE(wait_until([&] {
        known = ctl({"show", name}).code;
        return known == 0 || known == no_such;
      }));
    }
  }
  done = true;
  killer.join();
  BOOST_REQUIRE(wait_until([&] { return answers() && pids().empty(); }));
  std::istringstream in{read_file(once)};
  std::map<std::string, int> made;
  for (std::string name; in >> name;)
    ++made[name];
  for (auto& [name, count] : made)
    BOOST_TEST(count == 1, name << " was made " << count << " times");
  BOOST_TEST(made.size() == size_t{starts});
}

BOOST_AUTO_TEST_CASE(the_front_stays_and_ends_with_the_nodes_code) {
  start_writers(2);
  auto first = pid_in("node.pid");
  kill_node();
  BOOST_TEST(process_exists(node_pid()));
  BOOST_TEST(pid_in("node.pid") != first);
  BOOST_TEST(end(SIGTERM) == 0); // passed on to the node of this moment
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_CASE(a_hundred_exit_codes_while_no_node_is_there,
                        daemon_fixture) {
  std::string config = "{\"processes\": {";
  for (int i = 0; i < 100; ++i)
    config += fmt::format(
      R"("x{}": {{"command": "while [ ! -e {} ]; do sleep 0.1; done; exit {}",)"
      R"( "restart": "never"}},)",
      i, directory().file("go"), i);
  start(config + "}}");
  BOOST_REQUIRE(wait_until([&] {
    return ctl_json({"list", "--status", "running"}).Size() == 100;
  }));
  crash();
  std::ofstream{directory().file("go")} << "go";
  constexpr size_t all_exits = 100 * 48;
  BOOST_REQUIRE(wait_until([&] {
    return read_file(state_dir() + "/keeper.exits").size() >= all_exits;
  }));
  start();
  BOOST_REQUIRE(wait_until([&] {
    return ctl_json({"list", "--status", "running"}).Size() == 0;
  }));
  auto all = ctl_json({"list"});
  BOOST_TEST(all.Size() == 100u);
  for (auto& x : all.GetArray()) {
    BOOST_REQUIRE(x["exit_code"].IsInt());
    BOOST_TEST(x["exit_code"].GetInt()
               == std::atoi(&x["handle_id"].GetString()[1]));
  }
}
