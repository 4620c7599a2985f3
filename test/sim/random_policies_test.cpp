#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "test/support/actor_world.hpp"

// Random ends, stops, configurations and clock changes. The policy is worked
// out again here, in another way, and held against what happens: never two
// copies, never a restart after a stop, the budget is kept, delays are those
// of the policy within 10 %. PM_SEED=N replays one seed.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct policy_walk {
  explicit policy_walk(uint32_t seed) : random(seed) {
    world.open();
    apply();
  }

  int pick(int below) {
    return std::uniform_int_distribution<>{0, below - 1}(random);
  }

  // A configuration with another policy, and sometimes another command.
  void apply() {
    spec = simple_spec(restart_mode::always);
    spec.restart_delay = milliseconds{10 + pick(2000)};
    spec.restart_delay_max = *spec.restart_delay * (1 + pick(20));
    spec.restart_factor = 1.0 + pick(30) / 10.0;
    spec.restart_reset_after = 20s;
    spec.start_limit = {2 + pick(6), milliseconds{1000 + pick(60'000)}};
    if (pick(3) == 0)
      command = "/bin/program" + std::to_string(pick(1000));
    spec.command = {command};
    process_definition web;
    web.handle_id = "web";
    web.origin = origin::config;
    web.spec = spec;
    accepted_config config;
    config.processes = {web};
    world.ask<apply_report>(apply_atom::value, config, request_context{});
    is_uncounted = true; // what the limit before counted is not what this does
    note_spawns(true);
  }

  // Takes note of new runs; those that a request has begun are not counted
  // against the budget.
  void note_spawns(bool by_request) {
    auto count = world.host.spawn_count("web");
    if (count == spawns)
      return;
    if (by_request) {
      starts.clear();
      failures = 0;
    }
    spawns = count;
    starts.push_back(elapsed);
    began = elapsed;
    clock_moved_in_run = false;
  }

  void pass(milliseconds time) {
    world.advance(time);
    elapsed += time;
  }

  // The run ends by itself: the restart must be the policy's.
  void end_one() {
    if (!world.host.is_alive("web"))
      return;
    auto ran = elapsed - began;
    world.host.exit("web", pick(3));
    world.run();
    auto view = world.view("web");
    failures = (ran >= spec.restart_reset_after ? 0 : failures) + 1;
    if (clock_moved_in_run) // how long it ran is what the clocks make of it
      failures = record().state.failures;
    auto wanted =
      std::min<double>(double(spec.restart_delay_max.count()),
                       double(spec.restart_delay->count())
                         * std::pow(spec.restart_factor, failures - 1));
    if (view.status_text.starts_with("gave up")) {
      BOOST_REQUIRE(!is_alive(view.status) && !view.wanted);
      // It would have been one too many.
      auto at = elapsed + milliseconds{std::llround(wanted)};
      BOOST_REQUIRE(is_uncounted || count_within(at) >= spec.start_limit.burst);
      return;
    }
    BOOST_REQUIRE_EQUAL(to_string(view.status), "backoff");
    pass(milliseconds{std::llround(wanted * 0.9)} - 1ms);
    BOOST_REQUIRE(world.host.spawn_count("web") == spawns); // not before
    pass(milliseconds{std::llround(wanted * 0.2)} + 2ms);
    BOOST_REQUIRE(world.host.spawn_count("web") == spawns + 1);
    note_spawns(false);
    if (!is_uncounted)
      BOOST_REQUIRE(count_within(elapsed) <= spec.start_limit.burst);
  }

  process_record record() {
    auto known = world.ask<process_record>(get_atom::value, std::string{"web"});
    return value_of(known);
  }

  long count_within(milliseconds at) const {
    return std::count_if(starts.begin(), starts.end(), [&](milliseconds x) {
      return at - x < spec.start_limit.interval;
    });
  }

  void stop_and_see() {
    world.stop("web");
    auto before = world.host.spawn_count("web");
    BOOST_REQUIRE(world.host.alive_count() == 0u);
    pass(milliseconds{pick(120'000)});
    BOOST_REQUIRE(world.host.spawn_count("web") == before);
    world.start("web");
    note_spawns(true);
    is_uncounted = false;
  }

  // By a day, back or forth.
  void change_clock() {
    world.host.now += (pick(2) == 0 ? 24h : -24h);
    is_uncounted = clock_moved_in_run = true;
  }

  void crash_and_go_on() {
    auto was_up = world.host.is_alive("web");
    if (was_up)
      return; // what is up is another test's
    auto due = world.status_of("web") == status::backoff;
    world.crash();
    world.open();
    auto is = world.status_of("web"); // due by now, if the clock has jumped
    BOOST_REQUIRE((is == status::backoff || is == status::running) == due);
    note_spawns(false);
  }

  void step() {
    switch (pick(10)) {
    case 0:
      stop_and_see();
      break;
    case 1:
      apply();
      break;
    case 2:
      change_clock();
      break;
    case 3:
      crash_and_go_on();
      break;
    case 4:
    case 5:
      pass(milliseconds{pick(30'000)});
      note_spawns(false);
      break;
    default:
      end_one();
    }
    if (!world.view("web").wanted) {
      world.start("web");
      note_spawns(true);
      is_uncounted = false;
    }
    BOOST_REQUIRE_LE(world.host.copies_max, 1u);
  }

  std::mt19937 random;
  actor_world world;
  process_spec spec;
  std::string command = "/bin/program";
  milliseconds elapsed{0}; // of the timers' clock, which nobody sets
  milliseconds began{0};
  std::vector<milliseconds> starts; // since the last request
  size_t spawns = 0;
  int failures = 0;
  bool is_uncounted = false;       // the limit or the clock has changed
                                   // since the last request
  bool clock_moved_in_run = false; // since the last start
};

} // namespace

BOOST_AUTO_TEST_CASE(random_lives_keep_to_their_policy) {
  auto* given = std::getenv("PM_SEED");
  auto seed = given != nullptr ? static_cast<uint32_t>(std::atoi(given))
                               : std::random_device{}();
  auto rounds = given != nullptr ? 1 : 40;
  for (int round = 0; round < rounds; ++round, ++seed)
    BOOST_TEST_CONTEXT("PM_SEED=" << seed) {
      policy_walk walk{seed};
      for (int i = 0; i < 200; ++i)
        walk.step();
    }
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_by_a_day_neither_hangs_nor_bursts) {
  actor_world world;
  world.open();
  auto spec = simple_spec(restart_mode::always);
  spec.restart_delay = 2s;
  spec.start_limit = {4, 60s};
  world.define("web", spec);
  world.host.exit("web", 1);
  world.run();
  world.crash(); // its restart is due in 2 s, by a clock that is a day ahead
  world.host.now -= 24h;
  world.open();
  world.advance(30s);
  BOOST_TEST(world.host.spawn_count("web") == 2u);
  for (int i = 0; i < 20; ++i) {
    if (world.host.is_alive("web"))
      world.host.exit("web", 1);
    world.advance(3s);
  }
  BOOST_TEST(world.host.spawn_count("web") <= 8u); // the budget, twice at most
}
