#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/support/daemon_fixture.hpp"

// Probes of all kinds, asked of real servers.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

// A server on a port that the kernel chooses, which it writes to a file.
std::string server(const std::string& port_file) {
  return R"(import http.server as h, os
s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)
open(')" + port_file
         + R"(.new', 'w').write(str(s.server_port))
os.rename(')"
         + port_file + ".new', '" + port_file + R"(')
s.serve_forever())";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (auto c : text)
    result += c == '\n' ? "\\n" : c == '"' ? "\\\"" : std::string(1, c);
  return result + "\"";
}

struct probes_fixture : daemon_fixture {
  // Defines a sleeper with one probe.
  void define(const std::string& name, const std::string& role,
              const std::string& probe) {
    std::ofstream{directory().file(name + ".json")}
      << R"({"processes": {")" << name
      << R"(": {"command": ["sleep", "1000"], "shutdown": {"timeout": "1s"},)"
      << "\"" << role << "_probe\": {" << probe << R"(, "period": "50ms"}}}})";
  }

  bool becomes_ready(const std::string& name) {
    return ctl({"wait", name, "--for", "ready", "--timeout", "20s"}).code == 0;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(probes_of_real_servers, probes_fixture)

BOOST_AUTO_TEST_CASE(http_tcp_exec_and_log_lines_tell_who_is_ready) {
  auto flag = directory().file("flag");
  auto probes = [&](const std::string& name, const std::string& command,
                    const std::string& probe) {
    return "\"" + name + R"(": {"command": )" + command
           + R"(, "readiness_probe": {)" + probe + R"(, "period": "50ms"}},)";
  };
  auto sleeper = std::string{R"(["sleep", "1000"])"};
  auto port_file = directory().file("port");
  start(
    "{\"processes\": {"
    + probes("server",
             "[\"/usr/bin/python3\", \"-c\", " + quoted(server(port_file))
               + "]",
             R"("exec": "test -s )" + port_file + "\"")
    + probes("flagged", sleeper, R"("exec": ["test", "-e", ")" + flag + "\"]")
    + probes("talker", R"("sleep 0.2; echo now serving; sleep 1000")",
             R"("log_line": "^now serv")")
    + probes("nobody", sleeper, R"("tcp": {"port": 1})") + "}}");
  BOOST_TEST(becomes_ready("server"));
  BOOST_TEST(becomes_ready("talker"));
  BOOST_TEST(!show("flagged")["ready"].GetBool());
  std::ofstream{flag} << "x";
  BOOST_TEST(becomes_ready("flagged"));
  auto nobody = show("nobody");
  BOOST_TEST(!nobody["ready"].GetBool());
  BOOST_TEST(std::string{nobody["probes"][0]["text"].GetString()}
             == "Connection refused");
  // The server's port is known now.
  auto real = read_file(port_file);
  auto run = [&](const std::string& name, const std::string& probe) {
    define(name, "readiness", probe);
    daemon_fixture other;
    other.start(read_file(directory().file(name + ".json")));
    return other.ctl({"wait", name, "--for", "ready", "--timeout", "3s"}).code
           == 0;
  };
  BOOST_TEST(run("tcp", R"("tcp": {"port": )" + real + "}"));
  BOOST_TEST(run("http", R"("http_get": "http://127.0.0.1:)" + real + "/\""));
  BOOST_TEST(run("named", R"("http_get": "http://localhost:)" + real + "/\""));
  BOOST_TEST(!run("missing", R"("http_get": {"port": )" + real
                               + R"(, "path": "/no/such/file"})"));
}

BOOST_AUTO_TEST_CASE(a_hung_server_is_restarted) {
  auto port_file = directory().file("port");
  start(
    R"({"processes": {"web": {"command": ["/usr/bin/python3", "-c", )"
    + quoted(server(port_file))
    + R"(], "restart": "always", "shutdown": {"timeout": "500ms"},
            "liveness_probe": {"exec": "python3 -c \"import socket,sys;)"
      R"(s=socket.create_connection(('127.0.0.1',int(open(')"
    + port_file
    + R"(').read())),1);s.settimeout(1);s.send(b'GET / HTTP/1.0\\r\\n\\r\\n');)"
      R"(s.recv(1) or sys.exit(1)\"", "period": "100ms",
            "timeout": "2s", "failure_count": 2, "initial_delay": "1s"}}}})");
  auto pid = pid_of("web");
  BOOST_REQUIRE(wait_until([&] {
    return std::string{show("web")["health"].GetString()} == "healthy";
  }));
  ::kill(pid, SIGSTOP);
  BOOST_TEST(wait_until([&] {
    auto now = show("web");
    return now["pid"].IsInt() && now["pid"].GetInt() != pid;
  }));
  BOOST_TEST(show("web")["restart_count"].GetInt() == 1);
  BOOST_TEST(std::string{show("web")["cause"].GetString()} == "probe");
  BOOST_TEST(!process_exists(pid));
}

BOOST_AUTO_TEST_CASE(what_a_probe_leaves_behind_ends_with_it) {
  auto pids = directory().file("pids");
  start(R"({"processes": {"web": {"command": ["sleep", "1000"],
    "readiness_probe": {"exec": "sleep 1000 & echo $! >> )"
        + pids + R"(", "period": "50ms"}}}})");
  BOOST_TEST(becomes_ready("web"));
  auto all = [&] {
    std::ifstream in{pids};
    return std::vector<int>{std::istream_iterator<int>{in}, {}};
  };
  BOOST_REQUIRE(wait_until([&] { return all().size() >= 5u; }));
  BOOST_TEST(wait_until([&] { // but for the probe that is being asked
    auto seen = all();
    return std::count_if(seen.begin(), seen.end(), process_exists) <= 1;
  }));
}

BOOST_AUTO_TEST_CASE(readiness_survives_the_death_of_the_node) {
  auto flag = directory().file("flag");
  std::ofstream{flag} << "x";
  start(R"({"processes": {"web": {"command": ["sleep", "1000"],
    "startup_probe": {"exec": ["test", "-e", ")"
        + flag + R"("], "period": "50ms"}}}})");
  BOOST_TEST(becomes_ready("web"));
  auto pid = pid_of("web");
  crash();
  std::filesystem::remove(flag);
  start();
  BOOST_TEST(pid_of("web") == pid);
  BOOST_TEST(show("web")["ready"].GetBool());
}

BOOST_AUTO_TEST_SUITE_END()
