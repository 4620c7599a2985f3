#include "test/integration/trouble_fixture.hpp"

#include <filesystem>

// What can happen to a log while a process writes as fast as it can: it is
// never held up, and what is kept is whole.

using namespace pm::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_SUITE(log_trouble, trouble_fixture)

BOOST_AUTO_TEST_CASE(a_deleted_log_is_made_anew) {
  start_writers(1);
  let_it_grow(log());
  fs::remove(log());
  let_it_grow(log());
  end_writer();
  auto [first, next] = numbers_in(log());
  BOOST_TEST(first > 0);
  BOOST_TEST(next > first);
}

BOOST_AUTO_TEST_CASE(a_renamed_log_and_the_next_one_have_every_line) {
  start_writers(1);
  let_it_grow(log());
  auto old = log() + ".old";
  fs::rename(log(), old);
  let_it_grow(log());
  end_writer();
  // The line that was under way may be in both.
  auto both = read_file(old) + read_file(log());
  std::ofstream{directory().file("both")} << both;
  auto [first, next] = numbers_in(directory().file("both"));
  BOOST_TEST(first == 0);
  BOOST_TEST(next > 1000);
}

BOOST_AUTO_TEST_CASE(a_truncated_log_goes_on) {
  start_writers(1);
  let_it_grow(log());
  fs::resize_file(log(), 0);
  let_it_grow(log());
  end_writer();
  auto text = read_file(log());
  std::ofstream{directory().file("rest")} << text.substr(text.find('\n') + 1);
  auto [first, next] = numbers_in(directory().file("rest"));
  BOOST_TEST(first > 0);
  BOOST_TEST(next > first);
}

// Something else is where the log was: what is written meanwhile is dropped,
// counted and told, and the writer never waits.
BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_written_holds_nobody_up) {
  start_writers(1);
  let_it_grow(log());
  fs::remove(log());
  fs::create_directory(log());
  BOOST_TEST(wait_until([&] {
    return node_stderr().find("is dropped until it can be written again")
           != std::string::npos;
  }));
  BOOST_TEST(
    wait_until([&] { return show("w0")["dropped_bytes"].GetInt() > 0; }));
  BOOST_TEST(status_of("w0") == "running");
  fs::remove(log());
  let_it_grow(log());
  end_writer();
  auto text = read_file(log());
  std::ofstream{directory().file("rest")} << text.substr(text.find('\n') + 1);
  auto [first, next] = numbers_in(directory().file("rest"));
  BOOST_TEST(first > 0);
  BOOST_TEST(next > first);
}

BOOST_AUTO_TEST_CASE(floods_hold_nobody_up) {
  flood(3s);
}

BOOST_AUTO_TEST_SUITE_END()
