#define BOOST_TEST_MODULE line_server
#include <boost/test/unit_test.hpp>

#include <cstring>
#include <map>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <pm/line_server.hpp>

#include "runtime/os/unique_fd.hpp"
#include "test/unit/runtime/loop_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

namespace {

// A server that answers each line with itself, and clients in this thread.
struct server_fixture : loop_fixture {
  temp_dir dir;
  std::string path = dir / "control.sock";
  line_limits limits;
  line_handlers handlers;
  std::unique_ptr<line_server> server;
  std::vector<line_connection_ptr> opened;
  std::vector<std::string> lines;
  std::vector<error> closed;

  server_fixture() {
    handlers.on_open = [this](auto& peer) { opened.push_back(peer); };
    handlers.on_line = [this](auto& peer, std::string_view line) {
      lines.emplace_back(line);
      peer->send(line);
    };
    handlers.on_closed = [this](auto&, const error& why) {
      closed.push_back(why);
    };
  }

  void listen() {
    auto made = line_server::listen(*loop, path, handlers, limits);
    BOOST_REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().text));
    server = std::move(*made);
  }

  unique_fd connect() {
    auto cwd = ::open(".", O_PATH | O_CLOEXEC);
    unique_fd socket{
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // Paths may be too long for an address: go there.
    auto slash = path.rfind('/');
    BOOST_REQUIRE(::chdir(path.substr(0, slash).c_str()) == 0);
    std::strcpy(address.sun_path, path.c_str() + slash + 1);
    auto done = ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address),
                          sizeof(address));
    BOOST_REQUIRE(::fchdir(cwd) == 0);
    ::close(cwd);
    if (done != 0)
      socket.reset();
    return socket;
  }

  // Sends all of `bytes`, turning the loop while the server must read.
  void send(const unique_fd& to, std::string_view bytes) {
    while (!bytes.empty()) {
      auto count = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN)
        return;
      if (count > 0)
        bytes.remove_prefix(static_cast<size_t>(count));
      loop->run_once(false);
    }
  }

  // Receives until `size` bytes or the end are there.
  std::string receive(const unique_fd& from, size_t size) {
    std::string result;
    auto at_end = false;
    run_until([&] {
      char buffer[65536];
      loop->run_once(false);
      for (;;) {
        auto count = ::recv(from.get(), buffer, sizeof(buffer), 0);
        if (count <= 0) {
          at_end = at_end || count == 0 || errno != EAGAIN;
          loop->post([] {}); // so that the next turn does not wait
          return at_end || result.size() >= size;
        }
        result.append(buffer, static_cast<size_t>(count));
      }
    });
    return result;
  }

  bool is_closed(const unique_fd& x) {
    char byte;
    return run_until([&] {
      loop->post([] {});
      loop->run_once(false);
      auto count = ::recv(x.get(), &byte, 1, 0);
      return count == 0 || (count < 0 && errno != EAGAIN);
    });
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(line_server_test, server_fixture)

BOOST_AUTO_TEST_CASE(lines_go_both_ways_with_the_peers_identity) {
  listen();
  struct stat status {};
  BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600u);
  auto client = connect();
  send(client, "{\"id\":1}\n{\"id\"");
  send(client, ":2}\n");
  BOOST_TEST(receive(client, 18) == "{\"id\":1}\n{\"id\":2}\n");
  BOOST_REQUIRE(opened.size() == 1);
  BOOST_TEST(opened[0]->peer().pid == ::getpid());
  BOOST_TEST(opened[0]->peer().uid == ::getuid());
  BOOST_TEST(opened[0]->peer().gid == ::getgid());
}

BOOST_AUTO_TEST_CASE(a_path_longer_than_an_address_works) {
  auto deep = dir.path();
  for (int i = 0; i < 4; ++i)
    deep += "/" + std::string(60, 'd');
  std::filesystem::create_directories(deep);
  path = deep + "/control.sock";
  listen();
  auto client = connect();
  send(client, "hello\n");
  BOOST_TEST(receive(client, 6) == "hello\n");
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced_and_a_served_one_is_not) {
  listen();
  auto second = line_server::listen(*loop, path, {});
  BOOST_REQUIRE(!second.has_value());
  BOOST_TEST((second.error().code == ec::already_exists));
  server.reset();
  BOOST_TEST(!std::filesystem::exists(path));
  {
    unique_fd dead{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    BOOST_REQUIRE(
      ::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address))
      == 0);
  }
  listen();
  server.reset();
  std::ofstream{path} << "a file";
  BOOST_TEST(!line_server::listen(*loop, path, {}).has_value());
  BOOST_TEST(read_file(path) == "a file");
}

BOOST_AUTO_TEST_CASE(a_line_at_the_limit_passes_and_one_above_ends_it) {
  limits.line_max = 100'000;
  listen();
  auto client = connect();
  std::string line(100'000, 'x');
  send(client, line + "\n");
  BOOST_TEST((receive(client, line.size() + 1) == line + "\n"));
  send(client, line + "xx");
  BOOST_TEST(is_closed(client));
  BOOST_REQUIRE(closed.size() == 1);
  BOOST_TEST((closed[0].code == ec::protocol_violation));
  BOOST_TEST(lines.size() == 1);
}

BOOST_AUTO_TEST_CASE(sixteen_megabytes_in_one_line_are_not_quadratic) {
  listen();
  auto client = connect();
  std::string line(16u << 20, 'y');
  auto begin = steady::now();
  send(client, line + "\n");
  BOOST_TEST((receive(client, line.size() + 1).size() == line.size() + 1));
  BOOST_TEST((steady::now() - begin < 10s));
}

BOOST_AUTO_TEST_CASE(connections_over_the_limit_are_closed) {
  limits.connections_max = 2;
  listen();
  auto first = connect();
  auto second = connect();
  auto third = connect();
  BOOST_TEST(is_closed(third));
  BOOST_TEST(server->connection_count() == 2u);
  first.reset();
  BOOST_TEST(run_until([&] { return server->connection_count() == 1; }));
  auto fourth = connect();
  send(fourth, "hi\n");
  BOOST_TEST(receive(fourth, 3) == "hi\n");
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_read_is_dropped_at_the_bound) {
  limits.queue_max = 1u << 20;
  listen();
  auto client = connect();
  BOOST_REQUIRE(run_until([&] { return opened.size() == 1; }));
  std::string line(10'000, 'z');
  for (int i = 0; i < 200 && opened[0]->is_open(); ++i) {
    opened[0]->send(line);
    loop->run_once(false);
    BOOST_TEST(opened[0]->pending_bytes() <= limits.queue_max);
  }
  BOOST_TEST(run_until([&] { return closed.size() == 1; }));
  BOOST_TEST((closed[0].code == ec::busy));
  BOOST_TEST(server->connection_count() == 0u);
}

BOOST_AUTO_TEST_CASE(a_slow_reader_gets_every_byte_and_drained_is_told) {
  int drained = 0;
  handlers.on_drained = [&](auto&) { ++drained; };
  listen();
  auto client = connect();
  BOOST_REQUIRE(run_until([&] { return opened.size() == 1; }));
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    auto line = std::to_string(i) + std::string(200 + i % 1500, 'w');
    opened[0]->send(line);
    expected += line + "\n";
  }
  run_for(10ms);
  BOOST_TEST(opened[0]->pending_bytes() > 0u);
  BOOST_TEST(drained == 0);
  BOOST_TEST((receive(client, expected.size()) == expected));
  BOOST_TEST(run_until([&] { return drained == 1; }));
  BOOST_TEST(opened[0]->pending_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(a_half_closed_peer_still_gets_its_answers) {
  auto ended = false;
  handlers.on_end = [&](auto&) { ended = true; };
  listen();
  auto client = connect();
  send(client, "question\n");
  ::shutdown(client.get(), SHUT_WR);
  BOOST_TEST(run_until([&] { return ended; }));
  auto turns = loop->counters().turns;
  run_for(20ms); // the end must not spin the loop
  BOOST_TEST(loop->counters().turns - turns < 10u);
  opened[0]->send("late answer");
  opened[0]->close();
  BOOST_TEST(receive(client, 100) == "question\nlate answer\n");
  BOOST_TEST(run_until([&] { return closed.size() == 1; }));
  BOOST_TEST((closed[0].code == ec::none));
}

BOOST_AUTO_TEST_CASE(a_peer_that_went_away_after_its_half_is_noticed) {
  handlers.on_end = [](auto&) {};
  listen();
  auto client = connect();
  ::shutdown(client.get(), SHUT_WR);
  BOOST_REQUIRE(run_until([&] { return opened.size() == 1; }));
  run_for(10ms);
  BOOST_TEST(closed.empty());
  client.reset();
  BOOST_TEST(run_until([&] { return closed.size() == 1; }));
}

BOOST_AUTO_TEST_CASE(reading_can_be_paused) {
  listen();
  auto client = connect();
  BOOST_REQUIRE(run_until([&] { return opened.size() == 1; }));
  opened[0]->set_reading(false);
  send(client, "one\n");
  run_for(20ms);
  BOOST_TEST(lines.empty());
  opened[0]->set_reading(true);
  BOOST_TEST(run_until([&] { return lines.size() == 1; }));
}

BOOST_AUTO_TEST_CASE(closing_within_a_line_tells_no_further_one) {
  handlers.on_line = [this](auto& peer, std::string_view line) {
    lines.emplace_back(line);
    peer->send("bye");
    peer->close();
  };
  listen();
  auto client = connect();
  send(client, "a\nb\nc\n");
  BOOST_TEST(receive(client, 100) == "bye\n");
  BOOST_TEST(lines.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_servers_end_closes_its_peers_and_leaks_nothing) {
  auto before = open_descriptors();
  {
    listen();
    std::vector<unique_fd> clients;
    for (int i = 0; i < 50; ++i)
      clients.push_back(connect());
    BOOST_TEST(run_until([&] { return opened.size() == 50; }));
    server.reset();
    BOOST_TEST(is_closed(clients[49]));
    opened[0]->send("to nobody");
    opened[0]->close();
    BOOST_TEST(closed.empty());
  }
  loop->run_once(false);
  opened.clear();
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
