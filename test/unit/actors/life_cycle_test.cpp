#include <boost/test/unit_test.hpp>

#include <map>
#include <set>

#include "actors/life_cycle.hpp"

using namespace pm;

namespace {

constexpr auto statuses = enum_names<status>::names.size();
constexpr auto events = enum_names<life_event>::names.size();

template <class F>
void for_every_pair(F f) {
  for (size_t s = 0; s < statuses; ++s)
    for (size_t e = 0; e < events; ++e)
      f(static_cast<status>(s), static_cast<life_event>(e));
}

} // namespace

BOOST_AUTO_TEST_SUITE(life_cycle)

// The whole table again, as what a reader expects of it; each pair that is
// not here must be refused.
BOOST_AUTO_TEST_CASE(every_pair_of_status_and_event_goes_where_it_should) {
  using s = status;
  using e = life_event;
  std::map<std::pair<s, e>, s> expected;
  for (auto idle : {s::pending, s::stopped, s::failed, s::backoff}) {
    expected[{idle, e::start}] = s::starting;
    expected[{idle, e::restart}] = s::starting;
    expected[{idle, e::hold}] = s::pending;
    auto down = idle == s::failed ? s::failed : s::stopped;
    expected[{idle, e::stop}] = down;
    expected[{idle, e::kill}] = down;
  }
  expected[{s::backoff, e::delay_elapsed}] = s::starting;
  for (auto up : {s::starting, s::running, s::stopping, s::unknown})
    expected[{up, e::start}] = up;
  for (auto down : {e::stop, e::kill}) {
    expected[{s::starting, down}] = s::stopping;
    expected[{s::running, down}] = s::stopping;
    expected[{s::stopping, down}] = s::stopping;
    expected[{s::unknown, down}] = s::unknown;
  }
  expected[{s::failed, e::reset}] = s::stopped;
  expected[{s::stopping, e::hold}] = s::stopping;
  for (auto from : {s::starting, s::running, s::stopping, s::unknown})
    expected[{from, e::ended_held}] = s::pending;
  expected[{s::starting, e::restart}] = s::starting;
  expected[{s::running, e::restart}] = s::stopping;
  expected[{s::stopping, e::restart}] = s::stopping;
  expected[{s::unknown, e::restart}] = s::unknown;
  expected[{s::starting, e::spawned}] = s::running;
  expected[{s::starting, e::spawn_failed}] = s::failed;
  expected[{s::starting, e::spawn_retry}] = s::backoff;
  expected[{s::starting, e::not_recorded}] = s::stopped;
  expected[{s::stopping, e::spawned}] = s::stopping;
  expected[{s::stopping, e::spawn_failed}] = s::stopped;
  expected[{s::stopping, e::grace_expired}] = s::stopping;
  expected[{s::stopping, e::group_left}] = s::stopping;
  expected[{s::stopping, e::ended_again}] = s::starting;
  expected[{s::stopping, e::ended_well}] = s::stopped;
  expected[{s::stopping, e::ended_badly}] = s::failed;
  for (auto up : {s::running, s::unknown}) {
    expected[{up, e::ended_well}] = s::stopped;
    expected[{up, e::ended_badly}] = s::failed;
    expected[{up, e::ended_retry}] = s::backoff;
  }
  expected[{s::stopping, e::ended_retry}] = s::backoff; // ended by a probe
  expected[{s::unknown, e::adopted}] = s::running;
  size_t walked = 0;
  for_every_pair([&](status from, life_event on) {
    ++walked;
    auto* row = find_transition(from, on);
    auto wanted = expected.find({from, on});
    BOOST_TEST_CONTEXT(to_string(from) << " on " << to_string(on)) {
      BOOST_REQUIRE_EQUAL(row != nullptr, wanted != expected.end());
      if (row != nullptr)
        BOOST_TEST(to_string(row->to) == to_string(wanted->second));
    }
  });
  BOOST_TEST(walked == statuses * events);
  BOOST_TEST(transitions().size() == expected.size());
}

BOOST_AUTO_TEST_CASE(a_stop_is_obeyed_in_every_status) {
  for_every_pair([](status from, life_event on) {
    if (on != life_event::stop && on != life_event::kill)
      return;
    auto* row = find_transition(from, on);
    BOOST_TEST_CONTEXT(to_string(from)) {
      BOOST_REQUIRE(row != nullptr);
      BOOST_TEST((row->then != life_action::spawn));
      BOOST_TEST((row->to != status::running));
      BOOST_TEST((row->to != status::starting));
    }
  });
}

BOOST_AUTO_TEST_CASE(a_run_begins_only_where_none_is_alive) {
  for (auto& row : transitions()) {
    if (row.then != life_action::spawn)
      continue;
    auto run_is_over = !is_alive(row.from) || row.on == life_event::ended_again;
    BOOST_TEST_CONTEXT(to_string(row.from) << " on " << to_string(row.on)) {
      BOOST_TEST(run_is_over);
      BOOST_TEST(to_string(row.to) == "starting");
    }
  }
}

BOOST_AUTO_TEST_CASE(every_status_can_be_left_and_reached) {
  std::set<status> reached{status::pending, status::unknown};
  std::set<status> left;
  for (auto& row : transitions())
    if (row.from != row.to) {
      reached.insert(row.to);
      left.insert(row.from);
    }
  BOOST_TEST(reached.size() == statuses);
  BOOST_TEST(left.size() == statuses);
}

BOOST_AUTO_TEST_SUITE_END()
