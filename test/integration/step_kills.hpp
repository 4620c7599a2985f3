#pragma once

#include <set>

#include "test/integration/writers_fixture.hpp"

namespace pm::test {

// Kills one half at one of its system calls, by strace, while a process is
// started or stopped: so every state in which it can die is seen.
class step_kills : public writers_fixture {
public:
  // True where this user may trace.
  static bool may_trace() {
    return run_command({"strace", "-qq", "-o", "/dev/null", "true"}).code == 0;
  }

  // Starts one process after the other, with the half that `half` names killed
  // at the calls `first`, `first + stride`, ... until a start needs fewer.
  void kill_in_starts(const std::string& half, int first, int stride) {
    start();
    auto is_over = false;
    for (int step = first; !is_over; step += stride) {
      auto name = fmt::format("p{}", step);
      auto begun = directory().file(name);
      is_over = !kill_at(half, step, [&] {
        ctl({"start", "--name", name, "--restart", "never", "--", "sh", "-c",
             fmt::format("echo $$ >> {}; exec sleep 1000", begun)});
      });
      check_one(name, begun, step);
      calls_ = step;
    }
    BOOST_TEST(calls_ > stride); // it was killed, and more than once
  }

  void kill_in_stops(const std::string& half, int first, int stride) {
    start();
    auto is_over = false;
    for (int step = first; !is_over; step += stride) {
      auto name = fmt::format("p{}", step);
      auto begun = directory().file(name);
      BOOST_REQUIRE(
        ctl({"start", "--name", name, "--restart", "always", "--", "sh", "-c",
             fmt::format("echo $$ >> {}; exec sleep 1000", begun)})
          .code
        == 0);
      BOOST_REQUIRE(wait_until([&] { return !read_file(begun).empty(); }));
      int code = 0;
      is_over = !kill_at(half, step, [&] { code = ctl({"stop", name}).code; });
      BOOST_TEST_CONTEXT(half << " killed at call " << step
                              << " of a stop that ended with " << code) {
        auto pid = pids_of(begun).at(0);
        // A stop that was not answered may not have been heard.
        if (code != 0)
          BOOST_TEST(ctl({"stop", name}).code == 0);
        BOOST_TEST(status_of(name) == "stopped");
        BOOST_TEST(!process_exists(pid));
        BOOST_TEST(pids_of(begun).size() == 1u);
      }
      calls_ = step;
    }
    BOOST_TEST(calls_ > stride);
  }

  int calls() const { return calls_; }

private:
  static std::vector<int> pids_of(const std::string& path) {
    std::vector<int> result;
    std::istringstream in{read_file(path)};
    for (int pid = 0; in >> pid;)
      result.push_back(pid);
    return result;
  }

  // Runs `act` while the half makes its calls; false if it lived through it.
  template <class F>
  bool kill_at(const std::string& half, int step, F act) {
    auto pid = pid_in(half);
    BOOST_REQUIRE_GT(pid, 0);
    std::thread tracer{[&] {
      run_command({"strace", "-qq", "-o", "/dev/null", "-e",
                   fmt::format("inject=all:signal=KILL:when={}", step), "-p",
                   std::to_string(pid)});
    }};
    auto tracer_of = [&] {
      auto text = read_file(fmt::format("/proc/{}/status", pid));
      auto at = text.find("TracerPid:");
      return at == text.npos ? -1 : std::atoi(text.c_str() + at + 10);
    };
    auto traced = wait_until([&] { return tracer_of() != 0; });
    auto strace = tracer_of();
    act();
    // What follows the answer is a step too.
    auto killed = wait_until([&] { return !process_exists(pid); },
                             std::chrono::milliseconds{100});
    if (!killed && strace > 0)
      ::kill(strace, SIGTERM); // it lets go
    tracer.join();
    BOOST_REQUIRE(traced);
    BOOST_REQUIRE(wait_until([&] { return answers(); }));
    return killed;
  }

  // On record and alive once, or neither.
  void check_one(const std::string& name, const std::string& begun, int step) {
    BOOST_TEST_CONTEXT("killed at call " << step << " of a start") {
      constexpr int no_such = 5;
      int known = -1;
      BOOST_REQUIRE(wait_until([&] {
        known = ctl({"show", name}).code;
        return known == 0 || known == no_such;
      }));
      if (known == no_such) {
        BOOST_TEST(read_file(begun).empty());
        return;
      }
      if (status_of(name) == "stopped") { // refused, and said so
        BOOST_TEST(read_file(begun).empty());
        return;
      }
      BOOST_TEST(wait_for_status(name, "running"));
      BOOST_TEST(wait_until([&] { return !read_file(begun).empty(); }));
      auto all = pids_of(begun);
      BOOST_TEST(all.size() == 1u);
      BOOST_TEST(all.at(0) == pid_of(name));
      BOOST_TEST(process_exists(all.at(0)));
      BOOST_TEST(ctl({"stop", name, "--force"}).code == 0);
    }
  }

  int calls_ = 0;
};

} // namespace pm::test
