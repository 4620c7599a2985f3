#include <boost/test/unit_test.hpp>

#include "test/support/actor_world.hpp"

// What holds while the disk refuses, and when it is well again.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

constexpr int no_space = 28; // ENOSPC

struct fixture : actor_world {
  fixture() { open(); }

  void fill_disk() { storage->fail_next_appends(SIZE_MAX, no_space); }

  void free_disk() {
    storage->fail_next_appends(0, 0);
    advance(1s);
  }

  // What a node finds that is started after a crash of this one.
  process_record on_disk(const std::string& id) {
    crash();
    open_report report;
    auto found = registry_store::open(storage->after_crash(true), report);
    BOOST_REQUIRE(found);
    return found->records().at(id);
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_disk_that_refuses, fixture)

BOOST_AUTO_TEST_CASE(a_start_is_refused_and_all_is_as_it_was) {
  define("web");
  stop("web");
  fill_disk();
  auto answer = start("web");
  BOOST_TEST((code_of(answer) == ec::storage_failed));
  BOOST_TEST((**answer).error().text.find("it was not started")
             != std::string::npos);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  BOOST_TEST(!view("web").wanted);
  BOOST_TEST(host.spawn_count("web") == 1u);
}

BOOST_AUTO_TEST_CASE(a_new_process_is_refused_whole) {
  fill_disk();
  BOOST_TEST((code_of(define("web")) == ec::storage_failed));
  auto list = ask<std::vector<process_view>>(list_atom::value, list_filter{});
  BOOST_TEST(value_of(list).empty());
  free_disk();
  BOOST_TEST((code_of(define("web")) == ec::none));
  BOOST_TEST(host.is_alive("web"));
}

BOOST_AUTO_TEST_CASE(a_restart_is_refused_and_the_process_runs_on) {
  define("web");
  auto run = view("web").run_id;
  fill_disk();
  BOOST_TEST((code_of(restart("web")) == ec::storage_failed));
  BOOST_TEST(view("web").run_id == run);
  BOOST_TEST(host.is_alive("web"));
  BOOST_TEST(view("web").wanted);
  free_disk();
  auto again = restart("web");
  host.end(host.last("web"), {exit_reason::signaled, {}, 15});
  this->run();
  BOOST_TEST((code_of(again) == ec::none));
  BOOST_TEST(view("web").run_id != run);
}

BOOST_AUTO_TEST_CASE(a_stop_goes_on_and_says_that_it_is_not_on_disk) {
  define("web");
  fill_disk();
  auto answer = stop("web", true);
  BOOST_TEST(!host.is_alive("web"));
  BOOST_TEST((code_of(answer) == ec::storage_failed));
  BOOST_TEST((**answer).error().text.find("not on disk yet")
             != std::string::npos);
  BOOST_TEST(to_string(status_of("web")) == "stopped");
  free_disk();
  BOOST_TEST(to_string(on_disk("web").state.status) == "stopped");
}

BOOST_AUTO_TEST_CASE(what_happens_meanwhile_is_written_when_there_is_space) {
  define("web", simple_spec(restart_mode::never));
  define("db");
  fill_disk();
  host.exit("web", 7);
  run();
  BOOST_TEST(to_string(status_of("web")) == "failed");
  BOOST_TEST(host.is_alive("db"));
  free_disk();
  advance(50ms);
  auto state = on_disk("web").state;
  BOOST_TEST(to_string(state.status) == "failed");
  BOOST_REQUIRE(state.exit);
  BOOST_TEST(state.exit->code.value() == 7);
}

BOOST_AUTO_TEST_CASE(a_restart_by_policy_comes_as_soon_as_it_can_be_recorded) {
  define("web", simple_spec(restart_mode::always));
  fill_disk();
  host.exit("web", 1);
  run();
  advance(3s);
  advance(3s);
  BOOST_TEST(host.spawn_count("web") == 1u);
  BOOST_TEST(to_string(status_of("web")) == "backoff");
  BOOST_TEST(view("web").status_text.find("waits until") == 0u);
  free_disk();
  advance(1s);
  BOOST_TEST(host.spawn_count("web") == 2u);
  BOOST_TEST(host.is_alive("web"));
  BOOST_TEST(view("web").restart_count == 1);
}

BOOST_AUTO_TEST_CASE(an_exit_is_told_to_the_keeper_once_it_is_on_disk) {
  define("web", simple_spec(restart_mode::never));
  fill_disk();
  auto run = host.last("web").request.run_id;
  host.exit("web", 7);
  this->run();
  advance(60ms);
  BOOST_TEST(!host.acknowledged.contains(run.str()));
  free_disk();
  advance(60ms);
  BOOST_TEST(host.acknowledged.contains(run.str()));
}

BOOST_AUTO_TEST_CASE(after_a_failed_sync_a_fresh_snapshot_is_waited_for) {
  snapshots->hold = true;
  storage->fail_next_syncs(1, 5 /* EIO */);
  auto answer = define("web");
  BOOST_TEST(!answer->has_value());
  snapshots->hold = false;
  snapshots->release();
  run();
  BOOST_TEST((code_of(answer) == ec::none));
  BOOST_TEST(to_string(on_disk("web").state.status) == "running");
}

BOOST_AUTO_TEST_CASE(syncs_go_on_while_a_snapshot_is_made) {
  snapshots->hold = true;
  auto saved = ask<uint64_t>(save_atom::value);
  BOOST_TEST((code_of(define("web")) == ec::none));
  BOOST_TEST(!saved->has_value());
  snapshots->hold = false;
  snapshots->release();
  run();
  BOOST_TEST((code_of(saved) == ec::none));
}

BOOST_AUTO_TEST_SUITE_END()
