#pragma once

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>

#include "test/unit/keeper/keeper_client.hpp"

namespace pm::test {

// A keeper whose nodes are processes of their own, since it is their end that
// counts.
struct mortal_node_fixture : keeper_fixture {
  // Runs `act` as a node in a process of its own, which is killed after it.
  void node_that_dies(const std::function<void(keeper_client&)>& act) {
    int ready[2];
    BOOST_REQUIRE_EQUAL(::pipe2(ready, O_CLOEXEC), 0);
    auto child = ::fork();
    if (child == 0) {
      live_as_node(act, ready[1]);
      ::_exit(1);
    }
    ::close(ready[1]);
    // Once it stands in line, so that the keeper never finds itself alone.
    BOOST_CHECK_EQUAL(read_line(ready[0]), "\n");
    ::close(ready[0]);
    drop_first();
    int status = 0;
    BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    BOOST_REQUIRE(WIFSIGNALED(status));
  }

private:
  void live_as_node(const std::function<void(keeper_client&)>& act, int ready) {
    try {
      drop_first(); // the other process has it still
      auto socket = keeper::connect_keeper(dir.path());
      if (!socket || ::write(ready, "\n", 1) != 1)
        return;
      keeper_client node{std::move(*socket)};
      act(node);
      ::raise(SIGKILL);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "node: %s\n", e.what());
    }
  }
};

} // namespace pm::test
