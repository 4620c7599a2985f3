#include <boost/test/unit_test.hpp>

#include "apps/pmctl/exit_codes.hpp"
#include "unit/pmctl/fake_node.hpp"

using namespace pm;
using pm::test::make_view;

BOOST_AUTO_TEST_SUITE(exit_codes)

BOOST_AUTO_TEST_CASE(failures_have_the_documented_codes) {
  auto code = [](ec x) { return ctl::exit_code_for({x, ""}); };
  BOOST_TEST(code(ec::no_such_process) == 5);
  BOOST_TEST(code(ec::not_permitted) == 4);
  BOOST_TEST(code(ec::bad_config) == 6);
  BOOST_TEST(code(ec::unreachable) == 7);
  BOOST_TEST(code(ec::timeout) == 1);
  BOOST_TEST(code(ec::already_running) == 1);
}

BOOST_AUTO_TEST_CASE(run_exits_as_its_child) {
  BOOST_TEST(ctl::run_exit_code({exit_reason::exited, 3, {}}, "") == 3);
  BOOST_TEST(ctl::run_exit_code({exit_reason::signaled, {}, 9}, "") == 137);
  BOOST_TEST(ctl::run_exit_code({exit_reason::timeout, {}, 15}, "") == 124);
  BOOST_TEST(ctl::run_exit_code({exit_reason::lost, {}, {}}, "") == 125);
}

BOOST_AUTO_TEST_CASE(run_says_what_a_shell_would_of_a_failed_spawn) {
  auto code = [](const char* text) {
    return ctl::run_exit_code_for({ec::spawn_failed, text});
  };
  BOOST_TEST(code("spawn 'a': /opt/a: No such file or directory") == 127);
  BOOST_TEST(code("spawn 'a': nope: no such file or directory") == 127);
  BOOST_TEST(code("spawn 'a': ./a: Permission denied") == 126);
  BOOST_TEST(code("spawn 'a': ./a: exec format error") == 126);
  BOOST_TEST(code("spawn 'a': working_dir /x: no such file or directory")
             == 125);
  BOOST_TEST(code("spawn 'a': user 'bob': no such user") == 125);
  BOOST_TEST(ctl::run_exit_code_for({ec::unreachable, ""}) == 125);
  BOOST_TEST(ctl::run_exit_code_for({ec::timeout, ""}) == 124);
}

BOOST_AUTO_TEST_CASE(wait_gives_the_code_of_what_has_ended) {
  auto ended = make_view("a", status::failed, [](auto& x) {
    x.reason = exit_reason::signaled;
    x.exit_signal = "TERM";
  });
  BOOST_TEST(ctl::run_exit_code(ended) == 143);
  BOOST_TEST(ctl::run_exit_code(make_view("a", status::running)) == 0);
  BOOST_TEST(ctl::run_exit_code(make_view("a", status::stopped)) == 0);
}

BOOST_AUTO_TEST_CASE(status_follows_the_lsb) {
  auto code = [](status x) { return ctl::lsb_exit_code(make_view("a", x)); };
  BOOST_TEST(code(status::running) == 0);
  BOOST_TEST(code(status::stopping) == 0);
  for (auto x : {status::stopped, status::failed, status::backoff,
                 status::pending, status::starting})
    BOOST_TEST(code(x) == 3);
  BOOST_TEST(code(status::unknown) == 4);
  BOOST_TEST(
    ctl::lsb_exit_code(make_view("a", status::failed,
                                 [](auto& x) { x.reason = exit_reason::lost; }))
    == 1);
}

BOOST_AUTO_TEST_SUITE_END()
