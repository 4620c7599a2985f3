#include <boost/test/unit_test.hpp>

#include <csignal>
#include <map>
#include <set>
#include <sstream>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/support/daemon_fixture.hpp"

// Twelve processes with probes of all kinds, asked of real servers: up in
// order, through a kill of each member, down in reverse.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

// A port that nobody listens on.
int free_port() {
  auto fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  BOOST_REQUIRE(::bind(fd, plain, size) == 0);
  ::getsockname(fd, plain, &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

using needs = std::map<std::string, std::vector<std::string>>;

const needs graph{
  {"files", {}},
  {"http", {"files"}},
  {"tcp", {"files"}},
  {"said", {"files"}},
  {"line", {"http"}},
  {"exec", {"tcp"}},
  {"slow", {"said"}},
  {"alive", {"http", "tcp"}},
  {"mid", {"line", "exec", "slow"}},
  {"left", {"mid", "alive"}},
  {"right", {"mid"}},
  {"top", {"left", "right"}},
};

struct graph_fixture : daemon_fixture {
  // Command and probes of one; all else sleeps and needs no probe.
  std::string body_of(const std::string& name) {
    auto http = std::to_string(ports[0]);
    auto sleeper = std::string{R"("command": ["sleep", "1000"])"};
    auto server = [](const std::string& port) {
      return R"("command": ["python3", "-m", "http.server", ")" + port
             + R"(", "--bind", "127.0.0.1"])";
    };
    if (name == "http")
      return server(http) + R"(, "readiness_probe": {"http_get": {"port": )"
             + http + R"(}, "period": "50ms"})";
    if (name == "tcp")
      return server(std::to_string(ports[1]))
             + R"(, "readiness_probe": {"tcp": {"port": )"
             + std::to_string(ports[1]) + R"(}, "period": "50ms"})";
    if (name == "said")
      return R"("command": [")" + child("child_notify")
             + R"(", "+100", "READY=1"], "readiness_probe": {"notify": true})";
    if (name == "line")
      return R"("command": "sleep 0.1; echo now up; exec sleep 1000",)"
             R"( "readiness_probe": {"log_line": "now [u]p", "period": "50ms"})";
    if (name == "exec")
      return R"("command": "touch )" + directory().file("flag")
             + R"(; exec sleep 1000", "readiness_probe": {"exec": "test -e )"
             + directory().file("flag") + R"(", "period": "50ms"})";
    if (name == "slow")
      return sleeper
             + R"(, "startup_probe": {"exec": "sleep 0.2", "period": "50ms"})";
    if (name == "alive")
      return sleeper + R"(, "liveness_probe": {"tcp": {"port": )" + http
             + R"(}, "period": "100ms", "failure_count": 50})";
    return sleeper;
  }

  std::string config() {
    std::string text = R"({"defaults": {"restart": "always",
      "restart_delay": "0s", "start_limit": {"burst": 100, "interval": "1s"},
      "shutdown": {"timeout": "5s"}}, "processes": {)";
    for (auto& [name, all] : graph) {
      text += "\"" + name + "\": {" + body_of(name);
      if (!all.empty())
        text += ", \"depends_on\": {";
      for (auto& x : all)
        text += "\"" + x + R"(": {"condition": "ready"},)";
      text += all.empty() ? "}," : "}},";
    }
    return text + "}}";
  }

  bool all_are_ready() {
    return wait_until(
      [&] {
        auto all = ctl_json({"list"});
        size_t ready = 0;
        for (auto& x : all.GetArray())
          ready += x["ready"].GetBool() ? 1 : 0;
        return ready == graph.size();
      },
      60s);
  }

  // The number of the first event of each that says this.
  template <class F>
  std::map<std::string, uint64_t> first_event(F says) {
    std::map<std::string, uint64_t> result;
    std::istringstream events{ctl({"events", "--json"}).out};
    for (std::string line; std::getline(events, line);) {
      rapidjson::Document x;
      x.Parse(line.c_str());
      if (says(x))
        result.try_emplace(x["handle_id"].GetString(), x["seq"].GetUint64());
    }
    return result;
  }

  int ports[2] = {free_port(), free_port()};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_graph_of_real_servers, graph_fixture)

BOOST_AUTO_TEST_CASE(it_comes_up_in_order_survives_kills_and_goes_in_reverse) {
  start(config());
  BOOST_REQUIRE(all_are_ready());
  auto started = first_event(
    [](auto& x) { return std::string{x["to"].GetString()} == "starting"; });
  auto ready = first_event([](auto& x) { return x["ready"].GetBool(); });
  BOOST_TEST(ready.size() == graph.size());
  for (auto& [name, all] : graph)
    for (auto& need : all)
      BOOST_TEST(ready[need] < started[name], name << " waits for " << need);

  for (auto& [name, all] : graph) {
    auto pid = pid_of(name);
    ::kill(pid, SIGKILL);
    BOOST_REQUIRE_MESSAGE(
      wait_until([&] { return pid_of(name) > 0 && pid_of(name) != pid; }),
      name);
  }
  BOOST_REQUIRE(all_are_ready());

  BOOST_TEST(ctl({"stop", "*"}).code == 0);
  auto stopped = first_event(
    [](auto& x) { return std::string{x["to"].GetString()} == "stopped"; });
  BOOST_TEST(stopped.size() == graph.size());
  for (auto& [name, all] : graph)
    for (auto& need : all)
      BOOST_TEST(stopped[name] < stopped[need], need << " outlasts " << name);
}

BOOST_AUTO_TEST_SUITE_END()
