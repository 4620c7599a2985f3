#include <boost/test/unit_test.hpp>

#include <csignal>
#include <map>
#include <set>
#include <sstream>

#include "test/support/daemon_fixture.hpp"

// A graph of twelve processes on a real node: up in order, through kills,
// down in reverse.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

using needs = std::map<std::string, std::vector<std::string>>;

const needs graph{
  {"disk", {}},
  {"net", {}},
  {"init", {"disk"}}, // runs to its end
  {"db", {"init"}},
  {"cache", {"net"}},
  {"queue", {"net", "disk"}},
  {"auth", {"db"}},
  {"api", {"db", "cache", "auth"}},
  {"worker.1", {"queue", "db"}},
  {"worker.2", {"queue", "db"}},
  {"web", {"api"}},
  {"edge", {"web", "cache"}},
};

// Each one writes a line when it begins, and one when it is told to end.
std::string command_of(const std::string& name, const std::string& dir) {
  auto note = [&](const std::string& word) {
    return "echo " + word + " " + name + " >> " + dir + "/order";
  };
  if (name == "init")
    return "sleep 0.1; " + note("up");
  return note("up") + "; trap '" + note("down")
         + "; exit 0' TERM; while :; do sleep 0.05; done";
}

struct order_fixture : daemon_fixture {
  std::string config() const {
    std::string text = R"({"defaults": {"restart_delay": "0s",
      "shutdown": {"kill_mode": "process"}}, "processes": {)";
    for (auto& [name, all] : graph) {
      if (name == "worker.2")
        continue; // a replica
      auto is_group = name == "worker.1";
      auto key = is_group ? std::string{"worker"} : name;
      auto command =
        command_of(is_group ? "worker.$PM_REPLICA" : name, directory().path());
      text += "\"" + key + "\": {\"command\": \"" + command + "\"";
      if (is_group)
        text += ", \"replicas\": 2";
      if (name == "init")
        text += ", \"restart\": \"never\"";
      if (!all.empty()) {
        text += ", \"depends_on\": {";
        for (auto& x : all)
          text += "\"" + x + "\": {\"condition\": \""
                  + (x == "init" ? "completed" : "ready") + "\"},";
        text += "}";
      }
      text += "},";
    }
    return text + "}}";
  }

  // The names that say this word, in order.
  std::vector<std::string> said(const std::string& word) const {
    std::istringstream in{read_file(directory().file("order"))};
    std::vector<std::string> names;
    for (std::string first, name; in >> first >> name;)
      if (first == word)
        names.push_back(name);
    return names;
  }

  bool all_are_up() {
    return wait_until([&] {
      return ctl_json({"list", "--status", "running"}).Size() == 11;
    });
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(dependency_order, order_fixture)

BOOST_AUTO_TEST_CASE(twelve_come_up_in_order_survive_kills_and_go_in_reverse) {
  start(config());
  BOOST_REQUIRE(all_are_up());
  auto ups = said("up");
  BOOST_TEST(ups.size() == graph.size());
  std::set<std::string> seen;
  for (auto& name : ups) { // exec has come before the first line
    for (auto& need : graph.at(name))
      if (need == "init")
        BOOST_TEST(seen.contains(need), name << " before " << need);
    seen.insert(name);
  }
  std::map<std::string, uint64_t> started;
  std::map<std::string, uint64_t> running;
  std::istringstream events{ctl({"events", "--json"}).out};
  for (std::string line; std::getline(events, line);) {
    rapidjson::Document x;
    x.Parse(line.c_str());
    auto id = std::string{x["handle_id"].GetString()};
    auto to = std::string{x["to"].GetString()};
    if (to == "starting")
      started[id] = x["seq"].GetUint64();
    else if (to == (id == "init" ? "stopped" : "running"))
      running[id] = x["seq"].GetUint64();
  }
  for (auto& [name, all] : graph)
    for (auto& need : all)
      BOOST_TEST(running[need] < started[name], name << " waits for " << need);

  // A kill of one, and of the node: nobody who is up is disturbed.
  auto db = pid_of("db");
  auto api = pid_of("api");
  ::kill(db, SIGKILL);
  BOOST_REQUIRE(wait_until(
    [&] { return status_of("db") == "running" && pid_of("db") != db; }));
  crash();
  start();
  BOOST_REQUIRE(all_are_up());
  BOOST_TEST(pid_of("api") == api);

  BOOST_TEST(ctl({"shutdown"}).code == 0);
  auto downs = said("down");
  BOOST_TEST(downs.size() == graph.size() - 1);
  std::set<std::string> gone;
  for (auto& name : downs) {
    for (auto& [other, all] : graph)
      if (std::find(all.begin(), all.end(), name) != all.end()
          && other != "init")
        BOOST_TEST(gone.contains(other), name << " before " << other);
    gone.insert(name);
  }
}

BOOST_AUTO_TEST_CASE(graph_is_drawn_as_text_and_dot) {
  start(config());
  BOOST_REQUIRE(all_are_up());
  auto text = ctl({"graph"}).out;
  BOOST_TEST(text.find("edge running\n|- cache running  [ready]\n")
               != std::string::npos,
             text);
  BOOST_TEST(ctl({"graph", "--dot"}).out.find("\"web\" -> \"api\"")
             != std::string::npos);
  BOOST_TEST(ctl_json({"graph"}).Size() == graph.size());
}

BOOST_AUTO_TEST_CASE(apply_follows_the_file_and_a_broken_one_changes_nothing) {
  auto file = [&](const std::string& processes) {
    return directory().write("x.json", "{\"processes\": {" + processes + "}}");
  };
  start({}, {"--config", file(R"("a": {"command": ["sleep", "1001"]},
                 "b": {"command": ["sleep", "1002"]},
                 "c": {"command": ["sleep", "1003"]})")});
  BOOST_REQUIRE(wait_for_status("c", "running"));
  auto a = pid_of("a");
  auto b = pid_of("b");
  file(R"("a": {"command": ["sleep", "1001"], "depends_on": ["zz"]})");
  auto broken = ctl({"apply"});
  BOOST_TEST(broken.code == 6);
  BOOST_TEST(broken.err.find("x.json:1:") != std::string::npos, broken.err);
  BOOST_TEST(pid_of("c") > 0);
  file(R"("a": {"command": ["sleep", "1001"], "labels": {"x": "y"}},
          "b": {"command": ["sleep", "1004"]},
          "d": {"command": ["sleep", "1005"], "depends_on": ["b"]})");
  auto shown = ctl({"diff"}).out;
  BOOST_TEST(shown.find("~ a  does not restart") != std::string::npos, shown);
  BOOST_TEST(shown.find("~ b  restarts") != std::string::npos, shown);
  BOOST_TEST(shown.find("- c") != std::string::npos, shown);
  BOOST_TEST(shown.find("+ d") != std::string::npos, shown);
  auto applied = ctl({"apply"});
  BOOST_TEST(applied.code == 0, applied.err);
  BOOST_TEST(pid_of("a") == a);
  BOOST_TEST(pid_of("b") != b);
  BOOST_TEST(status_of("d") == "running");
  BOOST_TEST(ctl({"status", "c"}).code == 4);
  BOOST_TEST(ctl({"diff"}).out == "nothing to change\n");
}

BOOST_AUTO_TEST_CASE(a_node_that_is_started_again_knows_its_config) {
  let_it_respawn();
  auto path = directory().write(
    "x.json", R"({"node": {"start_concurrency_max": 3}, "processes": {
      "a": {"command": ["sleep", "1001"]}}})");
  start({}, {"--config", path});
  BOOST_REQUIRE(wait_for_status("a", "running"));
  directory().write("x.json", "{ broken");
  auto node = ctl_json({"version"})["node"]["pid"].GetInt();
  auto a = pid_of("a");
  ::kill(node, SIGKILL);
  BOOST_REQUIRE(wait_until([&] {
    auto known = ctl({"version", "--json"});
    return known.code == 0
           && known.out.find("\"node\":null") == std::string::npos
           && known.out.find("\"pid\":" + std::to_string(node) + ",")
                == std::string::npos;
  }));
  BOOST_TEST(pid_of("a") == a);
  BOOST_TEST(ctl({"diff"}).code == 6); // it knows which file to read
  directory().write("x.json", R"({"processes": {
    "a": {"command": ["sleep", "1001"]}}})");
  BOOST_TEST(ctl({"diff"}).out.find("start_concurrency_max: 3 -> 0")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_stop_command_ends_a_real_process) {
  auto flag = directory().file("flag");
  start({}, {"--config",
             directory().write("x.json", R"({"processes": {"a": {
      "command": "trap '' TERM; while [ ! -e )"
                                           + flag + R"( ]; do sleep 0.02; done",
      "shutdown": {"command": "touch )" + flag
                                           + R"(", "timeout": "20s"}}}})")});
  BOOST_REQUIRE(wait_for_status("a", "running"));
  BOOST_TEST(ctl({"stop", "a"}).code == 0);
  BOOST_TEST(status_of("a") == "stopped");
  BOOST_TEST(show("a")["exit_code"].GetInt() == 0);
}

BOOST_AUTO_TEST_CASE(simulate_tells_what_the_policy_would_do) {
  start({}, {"--config", directory().write("x.json", R"({"processes": {"a": {
      "command": ["sleep", "1001"], "start_limit": {"burst": 4,
      "interval": "1m"}}}})")});
  auto rows = ctl_json({"simulate", "a", "--exits", "1,kill,1@20s,1,0"});
  BOOST_REQUIRE(rows.Size() == 4u);
  BOOST_TEST(rows[0]["delay_ms"].GetInt64() == 0);
  BOOST_TEST(rows[1]["delay_ms"].GetInt64() == 100);
  BOOST_TEST(rows[2]["failures"].GetInt() == 1); // it ran long enough
  BOOST_TEST(rows[3]["then"].GetString() == std::string{"failed"});
  BOOST_TEST(ctl({"simulate", "a", "--exits", "1,x"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
