#pragma once

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "test/support/daemon_fixture.hpp"

namespace pm::test {

// Children that write numbered lines while the halves above them are killed.
class writers_fixture : public daemon_fixture {
public:
  using clock = std::chrono::steady_clock;

  writers_fixture() : seed_(std::random_device{}()) {
    if (auto* given = std::getenv("PM_SEED"))
      seed_ = static_cast<unsigned>(std::atol(given));
    random_.seed(seed_);
    BOOST_TEST_MESSAGE("PM_SEED=" << seed_);
    let_it_respawn();
  }

  // Starts a node with `count` writers w0, w1, ...; wN exits with N modulo 100.
  // `pause_ms` is between two blocks of one writer.
  void start_writers(int count, int pause_ms = 1, const std::string& log = {},
                     const std::string& more = {}) {
    count_ = count;
    std::string config = "{\"processes\": {" + more;
    for (int i = 0; i < count; ++i)
      config +=
        fmt::format(R"("w{}": {{"command": ["{}", "w{}", "{}", "{}", "{}"],)"
                    R"( "restart": "never"{}}},)",
                    i, child("child_numbered"), i, i % 100, stop_file(),
                    pause_ms, log.empty() ? "" : ", \"log\": " + log);
    start(config + "}}");
    BOOST_REQUIRE(wait_until([&] { return pids().size() >= writers(); }));
    pids_ = pids();
  }

  size_t writers() const { return static_cast<size_t>(count_); }

  int pid_in(const std::string& name) const {
    return std::atoi(read_file(state_dir() + "/" + name).c_str());
  }

  // The processes that run, by name.
  std::map<std::string, int> pids() {
    std::map<std::string, int> result;
    auto all = ctl_json({"list"});
    for (auto& x : all.GetArray())
      if (x["pid"].IsInt())
        result[x["handle_id"].GetString()] = x["pid"].GetInt();
    return result;
  }

  bool answers() { return ctl({"list", "-q"}).code == 0; }

  // Kills at once what the file `name` names, unless it is gone already.
  void kill_if_there(const std::string& name) {
    auto pid = pid_in(name);
    auto words = read_file(fmt::format("/proc/{}/cmdline", pid));
    if (pid > 0 && words.find(state_dir()) != std::string::npos)
      ::kill(pid, SIGKILL);
  }

  // Waits until a node answers again; starts one if nobody else does.
  void bring_back() {
    BOOST_REQUIRE(
      wait_until([&] { return answers() || !process_exists(node_pid()); },
                 std::chrono::seconds{60}));
    if (process_exists(node_pid()))
      return;
    wait_for_end();
    start();
  }

  // Kills what the file `name` of the state directory names.
  void kill_half(const std::string& name) {
    auto pid = pid_in(name);
    BOOST_REQUIRE_GT(pid, 0);
    ::kill(pid, SIGKILL);
    BOOST_REQUIRE(wait_until([&] { return !process_exists(pid); }));
  }

  // Kills the node; the keeper brings it back. How long nobody answered.
  std::chrono::milliseconds kill_node() {
    auto begin = clock::now();
    kill_half("node.pid");
    BOOST_REQUIRE_MESSAGE(wait_until([&] { return answers(); }), node_stderr());
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now()
                                                                 - begin);
  }

  // Kills the keeper; the node starts another one.
  void kill_keeper() {
    auto old = pid_in("keeper.pid");
    kill_half("keeper.pid");
    BOOST_REQUIRE(wait_until([&] {
      auto pid = pid_in("keeper.pid");
      return pid > 0 && pid != old && answers();
    }));
  }

  // Kills both; if nobody else starts a node, the test does.
  void kill_both() {
    auto node = pid_in("node.pid");
    auto keeper = pid_in("keeper.pid");
    auto node_first = random_() % 2 == 0;
    ::kill(node_first ? node : keeper, SIGKILL);
    ::kill(node_first ? keeper : node, SIGKILL);
    bring_back(); // the keeper may have been quicker than its own end
  }

  void let_it_write() {
    std::this_thread::sleep_for(std::chrono::milliseconds{random_() % 300});
  }

  // A copy of this build's node, which finds its keeper beside it.
  std::string new_node(const std::string& name) {
    std::filesystem::create_directory(directory().file(name));
    for (auto* half : {"pm-node", "pm-keeper"})
      std::filesystem::copy_file(program(half),
                                 directory().file(name + "/" + half));
    return directory().file(name + "/pm-node");
  }

  // Everybody is what it was.
  void check_same_processes() { BOOST_TEST((pids() == pids_)); }

  // Lets all end, and checks codes and logs. Unknown exits are counted, not
  // refused: without both parents only newer kernels tell.
  size_t end_and_check() {
    std::ofstream{stop_file()} << "stop";
    auto over = [&] { return pids().empty(); };
    BOOST_REQUIRE(wait_until(over, std::chrono::seconds{60}));
    size_t unknown = 0;
    auto all = ctl_json({"list"});
    for (auto& x : all.GetArray()) {
      std::string name = x["handle_id"].GetString();
      if (x["exit_code"].IsNull())
        ++unknown;
      else
        BOOST_TEST(x["exit_code"].GetInt() == std::atoi(&name[1]) % 100, name);
      BOOST_TEST(x["restart_count"].GetInt() == 0);
      BOOST_TEST(wait_until([&] { return log_end(name) > 0; }));
      check_log(name);
    }
    BOOST_TEST(all.Size() == writers());
    return unknown;
  }

  std::mt19937& random() { return random_; }

  // The numbers of the lines in one file, which must be whole and without a
  // gap; the first and the one behind the last.
  std::pair<long, long> numbers_in(const std::string& path) {
    std::ifstream in{path};
    std::string name;
    std::string number;
    std::string check;
    long first = -1;
    long next = -1;
    while (in >> name >> number >> check) {
      if (number == "end")
        break;
      auto text = name + " " + number;
      auto value = std::atol(number.c_str());
      if (check != fmt::format("{:08x}", fnv1a(text))
          || (next >= 0 && value != next)) {
        BOOST_ERROR(path << ": " << text << " " << check << " behind " << next);
        return {first, next};
      }
      first = first < 0 ? value : first;
      next = value + 1;
    }
    return {first, next};
  }

  std::string stop_file() const { return directory().file("stop"); }

private:
  static uint32_t fnv1a(std::string_view text) {
    uint32_t result = 2166136261u;
    for (unsigned char c : text)
      result = (result ^ c) * 16777619u;
    return result;
  }

  // The count that the last line names; 0: it is not there yet.
  long log_end(const std::string& name) {
    std::istringstream in{ctl({"logs", "-n", "1", name}).out};
    std::string word;
    while (in >> word)
      if (word == "end" && in >> word)
        return std::atol(word.c_str());
    return 0;
  }

  // Each line once, whole, and in order.
  void check_log(const std::string& name) {
    std::istringstream in{ctl({"logs", name}).out};
    std::string line;
    long next = 0;
    while (std::getline(in, line)) {
      auto text = fmt::format("{} {}", name, next);
      if (line == fmt::format("{} end {}", name, next))
        break;
      if (line != fmt::format("{} {:08x}", text, fnv1a(text))) {
        BOOST_ERROR(name << ": line " << next << " is '" << line << "'");
        return;
      }
      ++next;
    }
    BOOST_TEST(next == log_end(name), name);
    BOOST_TEST(!std::getline(in, line), name << ": more behind the end");
  }

  unsigned seed_ = 0;
  std::mt19937 random_;
  int count_ = 0;
  std::map<std::string, int> pids_;
};

} // namespace pm::test
