#define BOOST_TEST_MODULE random_lives
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "test/support/actor_world.hpp"

// Thousands of random requests, exits and time steps on the fake host and the
// test clock. Whatever happens: no two copies of one process, no status that
// the host contradicts, no request without an answer at the end, and nothing
// alive after the shutdown. PM_SEED=N replays one seed.

using namespace pm;
using namespace pm::test;
using namespace std::chrono_literals;

namespace {

constexpr int steps_max = 10'000;
constexpr int processes = 6;

class random_walk {
public:
  explicit random_walk(uint32_t seed) : random_(seed) {
    world_.open();
    for (int i = 0; i < processes; ++i)
      answers_.push_back(world_.define(name(i), random_spec(i)));
  }

  void step() {
    auto id = name(pick(processes));
    switch (pick(12)) {
    case 0:
    case 1:
      answers_.push_back(world_.start(id));
      stopped_.erase(id);
      break;
    case 2:
    case 3:
      answers_.push_back(world_.stop(id, pick(4) == 0));
      stopped_[id] = answers_.back();
      break;
    case 4:
      answers_.push_back(world_.restart(id));
      stopped_.erase(id);
      break;
    case 5:
    case 6:
      end_one(id);
      break;
    case 7:
      finish_spawns(id);
      break;
    case 8:
      world_.host.spawn_at_once = pick(3) != 0;
      world_.host.obeys_term = pick(3) != 0;
      world_.host.leaves_group = pick(4) == 0;
      break;
    case 9:
      if (world_.host.spawn_count(id) > 0)
        world_.host.end_group(world_.host.last(id));
      break;
    case 10:
      world_.host.spawn_error = pick(5) == 0 ? "spawn: refused" : "";
      break;
    default:
      world_.advance(milliseconds{pick(4000)});
    }
    world_.run();
    check();
  }

  // Everything down, everybody answered.
  void finish() {
    world_.host.spawn_error.clear();
    world_.host.spawn_at_once = true;
    for (int i = 0; i < processes; ++i)
      finish_spawns(name(i));
    auto down = world_.ask<bool>(shutdown_atom::value, false, false);
    for (int i = 0; i < processes; ++i)
      finish_spawns(name(i));
    for (int i = 0; i < 100 && !down->has_value(); ++i)
      world_.advance(1s);
    BOOST_REQUIRE(down->has_value());
    BOOST_TEST(world_.host.alive_count() == 0u);
    for (int i = 0; i < processes; ++i)
      BOOST_TEST(!is_alive(world_.status_of(name(i))));
    size_t unanswered = 0;
    for (auto& x : answers_)
      unanswered += !x->has_value();
    BOOST_TEST(unanswered == 0u);
  }

private:
  static std::string name(int i) { return "p" + std::to_string(i); }

  int pick(int below) {
    return std::uniform_int_distribution<>{0, below - 1}(random_);
  }

  // Those before it are what it may depend on.
  process_spec random_spec(int number) {
    auto spec = simple_spec(static_cast<restart_mode>(pick(3)));
    if (pick(2) == 0)
      spec.restart_delay = milliseconds{pick(3000)};
    spec.start_limit.burst = 1 + pick(8);
    spec.shutdown.timeout = milliseconds{pick(5000)};
    spec.shutdown.kill = static_cast<kill_mode>(pick(3));
    for (int i = 0; i < number; ++i)
      if (pick(4) == 0)
        spec.depends_on[name(i)] = {pick(2) == 0
                                      ? dependency_condition::ready
                                      : dependency_condition::started,
                                    pick(3) == 0, pick(3) == 0};
    return spec;
  }

  void end_one(const std::string& id) {
    if (!world_.host.is_alive(id))
      return;
    auto how = pick(3);
    world_.host.end(world_.host.last(id),
                    how == 0 ? exit_status{exit_reason::exited, pick(3), {}}
                    : how == 1
                      ? exit_status{exit_reason::signaled, {}, 1 + pick(15)}
                      : exit_status{exit_reason::lost, {}, {}});
  }

  void finish_spawns(const std::string& id) {
    if (world_.host.spawn_count(id) == 0)
      return;
    auto& x = world_.host.last(id);
    if (!x.alive && x.who.pid != 0 && !finished_.contains(x.who.pid)
        && to_string(world_.status_of(id)) != "running"
        && x.request.run_id.str() == world_.view(id).run_id
        && !world_.view(id).started_at)
      world_.host.finish_spawn(x);
    finished_.insert(x.who.pid);
    world_.run();
  }

  void check() {
    BOOST_REQUIRE_LE(world_.host.copies_max, 1u);
    for (int i = 0; i < processes; ++i) {
      auto id = name(i);
      auto view = world_.view(id);
      BOOST_TEST_CONTEXT(id << " " << to_string(view.status)) {
        if (world_.host.is_alive(id))
          BOOST_REQUIRE(pm::is_alive(view.status));
        if (view.status == status::running)
          BOOST_REQUIRE(world_.host.is_alive(id));
        if (view.status == status::backoff)
          BOOST_REQUIRE(view.wanted);
        // A manual stop wins over every policy, once its turn has come.
        if (auto x = stopped_.find(id);
            x != stopped_.end() && x->second->has_value())
          BOOST_REQUIRE(!view.wanted);
        if (view.exit_code)
          BOOST_REQUIRE((*view.reason == exit_reason::exited));
      }
    }
  }

  std::mt19937 random_;
  actor_world world_;
  std::vector<actor_world::answer<change_outcome>> answers_;
  std::map<std::string, actor_world::answer<change_outcome>> stopped_;
  std::set<int> finished_;
};

uint32_t first_seed() {
  auto* given = std::getenv("PM_SEED");
  return given != nullptr ? static_cast<uint32_t>(std::atoi(given))
                          : std::random_device{}();
}

} // namespace

BOOST_AUTO_TEST_CASE(ten_thousand_random_steps_break_no_rule) {
  auto seed = first_seed();
  auto rounds = std::getenv("PM_SEED") != nullptr ? 1 : 10;
  for (int round = 0; round < rounds; ++round, ++seed) {
    BOOST_TEST_MESSAGE("replay with: PM_SEED=" << seed << " sim_random_lives");
    BOOST_TEST_CONTEXT("PM_SEED=" << seed) {
      random_walk walk{seed};
      for (int i = 0; i < steps_max / 10; ++i)
        walk.step();
      walk.finish();
    }
  }
}
