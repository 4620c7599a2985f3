#pragma once

#include <boost/test/tools/assertion_result.hpp>
#include <boost/test/unit_test.hpp>

#include "runtime/os/cgroup.hpp"
#include "test/support/daemon_fixture.hpp"

namespace pm::test {

// A precondition: this user may make groups of cgroups(7), version 2.
inline boost::test_tools::assertion_result
groups_are_permitted(boost::unit_test::test_unit_id) {
  temporary_directory directory;
  auto home = make_cgroup_home(directory.path());
  if (home) {
    remove_cgroup(*home + "/probe");
    remove_cgroup(*home);
  }
  boost::test_tools::assertion_result result{home.has_value()};
  if (!home)
    result.message() << home.error().text;
  return result;
}

} // namespace pm::test
