#include <chrono>
#include <fstream>
#include <sstream>

#include "test/unit/keeper/mortal_node.hpp"

// A node that dies without a goodbye is started again.

using namespace pm;
using namespace pm::test;

namespace {

struct respawn_fixture : mortal_node_fixture {
  // Registers a command that adds a line to `came` and does `then`.
  void registers(keeper_client& node, const std::string& then = "exit 1") {
    auto order =
      order_of({"/bin/sh", "-c", "date +%s%3N >> came; echo $WHO; " + then});
    order.working_dir = dir.path();
    order.environment = {"PATH=/usr/bin:/bin", "WHO=me"};
    auto frame = keeper::encode_respawn(order);
    unique_fd in{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    unique_fd out{::open(dir.file("out").c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
    node.send(frame->bytes, {in.get(), out.get(), out.get()});
  }

  // When it was started, in milliseconds.
  std::vector<int64_t> starts() {
    std::istringstream in{read_file(dir.file("came"))};
    std::vector<int64_t> result;
    for (int64_t at = 0; in >> at;)
      result.push_back(at);
    return result;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeper_respawn, respawn_fixture)

BOOST_AUTO_TEST_CASE(a_ready_node_is_started_again_at_once_with_its_own_stdio) {
  auto before = std::chrono::system_clock::now();
  node_that_dies([&](auto& node) {
    registers(node, "exec sleep 1000");
    node.send(keeper::encode_ready());
  });
  BOOST_CHECK(eventually([&] { return read_file(dir.file("out")) == "me\n"; }));
  BOOST_CHECK(std::chrono::system_clock::now() - before
              < std::chrono::seconds{5});
  BOOST_CHECK_EQUAL(starts().size(), 1u);
}

BOOST_AUTO_TEST_CASE(failed_starts_wait_longer_each_time) {
  node_that_dies([&](auto& node) {
    registers(node);
    node.send(keeper::encode_ready());
  });
  BOOST_REQUIRE(eventually([&] { return starts().size() >= 4; }));
  auto at = starts();
  BOOST_CHECK_GE(at[1] - at[0], 90);
  BOOST_CHECK_GE(at[2] - at[1], 190);
  BOOST_CHECK_GE(at[3] - at[2], 390);
}

BOOST_AUTO_TEST_CASE(after_a_goodbye_nobody_is_started_and_the_keeper_leaves) {
  node_that_dies([&](auto& node) {
    registers(node);
    node.send(keeper::encode_ready());
    node.goodbye();
  });
  BOOST_CHECK(eventually([&] { return has_ended(pidfd.get()); }));
  BOOST_CHECK(starts().empty());
}

BOOST_AUTO_TEST_CASE(another_node_takes_the_place_and_its_silence_counts) {
  node_that_dies([&](auto& node) { registers(node); });
  node_that_dies([](auto&) {}); // came by itself, and registers nothing
  BOOST_CHECK(eventually([&] { return has_ended(pidfd.get()); }));
  BOOST_CHECK_LE(starts().size(), 1u);
}

BOOST_AUTO_TEST_SUITE_END()
