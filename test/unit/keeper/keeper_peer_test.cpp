#include <boost/test/unit_test.hpp>
#include <csignal>
#include <random>
#include <sys/wait.h>

#include "test/unit/keeper/keeper_client.hpp"

// Whom a keeper serves, and what it refuses.

using namespace pm;
using namespace pm::test;
using keeper::frame_type;

namespace {

// Sends one raw frame instead of hello; returns what comes back.
error refusal_of(const std::string& dir, const std::vector<std::byte>& frame) {
  auto socket = keeper::connect_keeper(dir);
  BOOST_REQUIRE(socket);
  BOOST_REQUIRE_EQUAL(keeper::send_frame(socket->get(), frame), 0);
  std::vector<std::byte> buffer(keeper::frame_max);
  keeper::frame_fds fds;
  keeper::received got;
  BOOST_REQUIRE(eventually([&] {
    got = keeper::receive_frame(socket->get(), buffer, fds);
    return got.error != EAGAIN;
  }));
  auto message = keeper::decode_message({buffer.data(), got.size});
  BOOST_REQUIRE(message);
  return std::get<error>(*message);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeper_peer, keeper_fixture)

BOOST_AUTO_TEST_CASE(a_second_keeper_is_refused) {
  auto second = keeper::start_keeper({dir.path(), bin("pm-keeper"), patience});
  BOOST_REQUIRE(!second);
  BOOST_CHECK(second.error().code == ec::keeper_failed);
  BOOST_TEST_INFO(second.error().text);
  BOOST_CHECK_NE(second.error().text.find("another keeper"), std::string::npos);
  BOOST_CHECK_NE(second.error().text.find(bin("pm-keeper")), std::string::npos);
  BOOST_CHECK_EQUAL(read_file(dir.file("keeper.pid")),
                    std::to_string(pid) + "\n");
  connect();
}

BOOST_AUTO_TEST_CASE(a_second_node_waits_for_the_first_to_go) {
  auto first = std::make_optional<keeper_client>(connect());
  auto socket = keeper::connect_keeper(dir.path());
  BOOST_REQUIRE(socket);
  BOOST_REQUIRE_EQUAL(keeper::send_frame(socket->get(), keeper::encode_hello()),
                      0);
  // The first one is still served.
  BOOST_CHECK_EQUAL(first->output_of(order_of({"echo", "first"})), "first\n");
  std::vector<std::byte> buffer(keeper::frame_max);
  keeper::frame_fds fds;
  BOOST_CHECK_EQUAL(keeper::receive_frame(socket->get(), buffer, fds).error,
                    EAGAIN);
  auto run = first->spawn(order_of({"sleep", "1000"}));
  first->wait_for(run, frame_type::spawned);
  first.reset();
  keeper_client second{std::move(*socket)};
  BOOST_CHECK_EQUAL(second.held.size(), 1u);
}

BOOST_AUTO_TEST_CASE(what_a_dead_node_had_asked_for_is_done) {
  // A node in a process of its own sends a spawn and is killed. Another run
  // keeps the keeper meanwhile.
  auto first = connect().spawn(order_of({"sleep", "1000"}));
  auto order = order_of({"sleep", "1000"});
  auto pid_of_node = ::fork();
  if (pid_of_node == 0) {
    auto node = connect();
    node.spawn(order);
    ::raise(SIGKILL);
  }
  int status = 0;
  BOOST_REQUIRE_EQUAL(::waitpid(pid_of_node, &status, 0), pid_of_node);
  BOOST_REQUIRE(WIFSIGNALED(status));
  auto next = connect();
  BOOST_REQUIRE_EQUAL(next.held.size(), 2u);
  for (auto& row : next.held)
    BOOST_CHECK(row.run_id == first || row.run_id == order.run_id);
}

BOOST_AUTO_TEST_CASE(a_terminals_signals_do_not_end_it) {
  auto node = connect();
  auto run = node.spawn(order_of({"sleep", "1000"}));
  node.wait_for(run, frame_type::spawned);
  for (auto number : {SIGINT, SIGHUP, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP})
    BOOST_REQUIRE(send_signal(pidfd.get(), number));
  BOOST_CHECK_EQUAL(node.output_of(order_of({"echo", "served"})), "served\n");
  BOOST_CHECK(!has_ended(pidfd.get()));
}

BOOST_AUTO_TEST_CASE(a_foreign_version_is_refused_in_words) {
  std::vector<std::byte> frame(64);
  frame.resize(keeper::encode_hello(frame, {7, 9, 0}));
  connect().spawn(order_of({"sleep", "1000"})); // keeps the keeper
  auto refusal = refusal_of(dir.path(), frame);
  BOOST_CHECK(refusal.code == ec::not_supported);
  BOOST_CHECK_NE(refusal.text.find("version"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_newer_node_is_served_in_the_common_version) {
  connect().spawn(order_of({"sleep", "1000"}));
  auto socket = keeper::connect_keeper(dir.path());
  BOOST_REQUIRE(socket);
  std::vector<std::byte> frame(keeper::frame_max);
  auto size = keeper::encode_hello(frame, {1, 99, 0});
  BOOST_REQUIRE_EQUAL(
    keeper::send_frame(socket->get(), std::span{frame}.first(size)), 0);
  keeper::frame_fds fds;
  keeper::received got;
  BOOST_REQUIRE(eventually([&] {
    got = keeper::receive_frame(socket->get(), frame, fds);
    return got.error != EAGAIN;
  }));
  auto message = keeper::decode_message({frame.data(), got.size});
  BOOST_REQUIRE(message);
  BOOST_CHECK_EQUAL(std::get<keeper::welcome>(*message).version,
                    keeper::version_max);
}

BOOST_AUTO_TEST_CASE(an_older_node_gets_the_older_reports) {
  connect().spawn(order_of({"sleep", "1000"}));
  auto socket = keeper::connect_keeper(dir.path());
  BOOST_REQUIRE(socket);
  std::vector<std::byte> frame(keeper::frame_max);
  auto size = keeper::encode_hello(frame, {1, 1, 0});
  BOOST_REQUIRE_EQUAL(
    keeper::send_frame(socket->get(), std::span{frame}.first(size)), 0);
  keeper::frame_fds fds;
  std::vector<size_t> sizes;
  BOOST_REQUIRE(eventually([&] {
    auto got = keeper::receive_frame(socket->get(), frame, fds);
    if (got.size != 0)
      sizes.push_back(got.size);
    return sizes.size() == 3; // welcome, held, table_end
  }));
  BOOST_CHECK_EQUAL(sizes[1],
                    sizeof(keeper::frame_header) + keeper::report_size_v1);
}

BOOST_AUTO_TEST_CASE(garbage_does_not_harm_the_keeper) {
  auto seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  auto run = connect().spawn(order_of({"sleep", "1000"}));
  for (int i = 0; i < 200; ++i) {
    auto socket = keeper::connect_keeper(dir.path());
    // It takes the callers one after another, and lets only some wait.
    BOOST_REQUIRE(eventually([&] {
      if (!socket)
        socket = keeper::connect_keeper(dir.path());
      return socket.has_value();
    }));
    if (i % 2 == 0)
      keeper::send_frame(socket->get(), keeper::encode_hello());
    for (int k = 0; k < 3; ++k) {
      std::vector<std::byte> frame(8 + random() % 300);
      for (auto& byte : frame)
        byte = static_cast<std::byte>(random());
      keeper::frame_header head{static_cast<uint16_t>(random() % 8),
                                static_cast<uint16_t>(random() % 2),
                                static_cast<uint32_t>(frame.size())};
      if (i % 3 != 0)
        std::memcpy(frame.data(), &head, sizeof(head));
      std::array fds{socket->get(), socket->get()};
      keeper::send_frame(socket->get(), frame,
                         std::span{fds}.first(random() % 3));
    }
  }
  auto node = connect();
  BOOST_REQUIRE_EQUAL(node.held.size(), 1u);
  BOOST_CHECK(node.held.front().run_id == run);
  BOOST_CHECK_EQUAL(node.output_of(order_of({"echo", "sane"})), "sane\n");
}

BOOST_AUTO_TEST_SUITE_END()
