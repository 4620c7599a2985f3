#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "test/support/daemon_fixture.hpp"

// Runs by the clock, on a real node.

using namespace pm::test;
using namespace std::chrono_literals;

namespace {

struct schedule_fixture : daemon_fixture {
  void start_etl(const std::string& keys, const std::string& command) {
    start(R"({"processes": {"etl": {"restart": "never", "command": ")" + command
          + "\", " + keys + "}}}");
  }

  long lines() {
    auto log = log_of("etl");
    return std::count(log.begin(), log.end(), '\n');
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(schedules_of_real_children, schedule_fixture)

BOOST_AUTO_TEST_CASE(it_runs_every_interval_also_after_a_crash) {
  start_etl(R"("schedule": {"interval": "300ms"})", "echo here");
  BOOST_TEST(wait_until([&] { return lines() >= 3; }));
  crash();
  auto before = lines();
  start();
  BOOST_TEST(wait_until([&] { return lines() >= before + 3; }));
  auto history = ctl_json({"history", "etl", "--json"});
  BOOST_REQUIRE(history.IsArray());
  auto text = ctl({"why", "etl"}).out;
  BOOST_TEST_INFO(text);
  BOOST_TEST(text.find("schedule") != text.npos);
  BOOST_TEST(ctl({"stop", "etl"}).code == 0);
  auto at_stop = lines();
  BOOST_TEST(status_of("etl") == "stopped");
  BOOST_TEST(show("etl")["next_run_at"].IsNull());
  BOOST_TEST(!wait_until([&] { return lines() > at_stop; }, 700ms));
}

BOOST_AUTO_TEST_CASE(between_its_runs_it_is_pending_and_says_until_when) {
  start_etl(R"("schedule": {"cron": "0 3 * * *", "timezone": "Asia/Tokyo"})",
            "echo here; exit 4");
  BOOST_REQUIRE(
    wait_until([&] { return show("etl")["next_run_at"].IsString(); }));
  BOOST_TEST(status_of("etl") == "pending");
  auto x = show("etl");
  std::string next = x["next_run_at"].GetString();
  BOOST_TEST(next.substr(10) == "T18:00:00.000Z");
  BOOST_TEST(x["status_text"].GetString() == "next run at " + next);
  BOOST_TEST(ctl({"status", "etl"}).code == 3);
  BOOST_TEST(ctl({"start", "etl"}).code == 0); // now, by hand
  BOOST_TEST(wait_until([&] {
    auto code = show("etl");
    return code["exit_code"].IsInt() && code["exit_code"].GetInt() == 4;
  }));
  BOOST_TEST(wait_for_status("etl", "pending"));
  BOOST_TEST(ctl({"wait", "etl"}).code == 4);
  BOOST_TEST(lines() == 1);
  auto line = ctl({"list"}).out;
  BOOST_TEST_INFO(line);
  BOOST_TEST(line.find("pending") != line.npos);
}

BOOST_AUTO_TEST_CASE(apply_moves_a_schedule_without_a_restart) {
  auto file = [&](const std::string& interval) {
    return directory().write("own.json", R"({"processes": {"etl": {
      "command": "exec sleep 1000", "restart": "never",
      "schedule": {"interval": ")" + interval
                                           + "\"}}}}");
  };
  start({}, {"--config", file("1h")});
  BOOST_TEST(wait_for_status("etl", "running"));
  auto pid = pid_of("etl");
  std::string before = show("etl")["next_run_at"].GetString();
  file("2h");
  BOOST_TEST(ctl({"apply"}).code == 0);
  BOOST_TEST(pid_of("etl") == pid);
  BOOST_TEST(wait_until(
    [&] { return show("etl")["next_run_at"].GetString() > before; }));
}

BOOST_AUTO_TEST_SUITE_END()
