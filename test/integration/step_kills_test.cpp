#include "test/integration/step_kills.hpp"

// Some of the steps; the torture takes all.

using namespace pm::test;

namespace {

boost::test_tools::assertion_result
tracing_is_permitted(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result{step_kills::may_trace()};
  result.message() << "this user may not trace, or strace is not there";
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(a_half_dies_at_each_step,
                      *boost::unit_test::precondition(tracing_is_permitted))

BOOST_FIXTURE_TEST_CASE(the_node_in_starts, step_kills) {
  kill_in_starts("node.pid", 1 + static_cast<int>(random()() % 10), 10);
}

BOOST_FIXTURE_TEST_CASE(the_keeper_in_starts, step_kills) {
  kill_in_starts("keeper.pid", 1 + static_cast<int>(random()() % 6), 6);
}

BOOST_FIXTURE_TEST_CASE(the_node_in_stops, step_kills) {
  kill_in_stops("node.pid", 1 + static_cast<int>(random()() % 10), 10);
}

BOOST_FIXTURE_TEST_CASE(the_keeper_in_stops, step_kills) {
  kill_in_stops("keeper.pid", 1 + static_cast<int>(random()() % 4), 4);
}

BOOST_AUTO_TEST_SUITE_END()
