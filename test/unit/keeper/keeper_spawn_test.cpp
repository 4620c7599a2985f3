#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <grp.h>
#include <rapidjson/document.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test/unit/keeper/keeper_client.hpp"

// What a child is given, and what is told when it cannot be made.

using namespace pm;
using namespace pm::test;
using keeper::frame_type;
using keeper::outcome;
using keeper::spawn_stage;

namespace {

struct spawn_fixture : keeper_fixture {
  keeper_client client = connect();

  rapidjson::Document report_of(keeper::spawn_order order) {
    order.argv = {child("child_report")};
    rapidjson::Document result;
    auto text = client.output_of(std::move(order));
    result.Parse(text.c_str());
    BOOST_REQUIRE_MESSAGE(result.IsObject(), text);
    return result;
  }

  keeper::run_report failure_of(keeper::spawn_order order) {
    auto base = descriptor_count(pid);
    auto run = client.spawn(std::move(order));
    auto result = client.wait_for(run, frame_type::spawn_failed);
    BOOST_CHECK(result.outcome == outcome::failed);
    BOOST_CHECK_EQUAL(descriptor_count(pid), base);
    BOOST_CHECK_EQUAL(children_of(pid).all, 0u);
    // Nobody else holds the write ends.
    BOOST_CHECK_EQUAL(read_to_end(client.pipes[run].stdout_r.get()), "");
    client.acknowledge({run});
    BOOST_CHECK(
      eventually([&] { return read_file(dir.file("keeper.runs")).empty(); }));
    return result;
  }

  void check_failure(keeper::spawn_order order, spawn_stage stage, int number) {
    auto result = failure_of(std::move(order));
    BOOST_CHECK_EQUAL(to_string(result.stage), to_string(stage));
    BOOST_CHECK_EQUAL(result.error_number, number);
  }

  std::string write_script(const char* name, const char* text, mode_t mode) {
    auto path = dir.file(name);
    unique_fd file{::open(path.c_str(), O_WRONLY | O_CREAT, mode)};
    BOOST_REQUIRE(file);
    BOOST_REQUIRE(::write(file.get(), text, strlen(text)) > 0);
    return path;
  }
};

bool is_root() {
  return ::geteuid() == 0;
}

std::vector<int> numbers_of(const rapidjson::Value& array) {
  std::vector<int> result;
  for (auto& x : array.GetArray())
    result.push_back(x.GetInt());
  return result;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeper_spawn, spawn_fixture)

BOOST_AUTO_TEST_CASE(a_child_starts_clean) {
  // What the keeper's starter ignores or blocks must not reach the child.
  auto order = order_of({});
  order.environment = {"A=1", "PM_RUN_ID=x", "EMPTY="};
  auto x = report_of(order);
  BOOST_CHECK_EQUAL(x["session"].GetInt(), x["pid"].GetInt());
  BOOST_CHECK_EQUAL(x["group"].GetInt(), x["pid"].GetInt());
  BOOST_CHECK_EQUAL(x["parent_pid"].GetInt(), pid);
  BOOST_CHECK_EQUAL(x["cwd"].GetString(), "/");
  BOOST_CHECK_EQUAL(x["blocked"].Size(), 0u);
  BOOST_CHECK_EQUAL(x["ignored"].Size(), 0u);
  BOOST_CHECK_EQUAL(x["no_new_privs"].GetInt(), 0);
  BOOST_CHECK_EQUAL(x["environment"].MemberCount(), 3u);
  BOOST_CHECK_EQUAL(x["environment"]["A"].GetString(), "1");
  BOOST_CHECK_EQUAL(x["environment"]["EMPTY"].GetString(), "");
}

BOOST_AUTO_TEST_CASE(a_protected_child_has_spare_ends_of_its_own_output) {
  auto x = report_of(order_of({}));
  auto& fds = x["descriptors"];
  BOOST_REQUIRE_EQUAL(fds.MemberCount(), 5u);
  BOOST_CHECK_EQUAL(fds["0"].GetString(), "/dev/null");
  BOOST_CHECK_EQUAL(fds["1"].GetString(), fds["1022"].GetString());
  BOOST_CHECK_EQUAL(fds["2"].GetString(), fds["1023"].GetString());
  BOOST_CHECK_NE(fds["1"].GetString(), std::string{fds["2"].GetString()});
}

BOOST_AUTO_TEST_CASE(an_unprotected_child_has_nothing_but_0_1_2) {
  auto order = order_of({});
  order.protect = false;
  auto x = report_of(order);
  BOOST_CHECK_EQUAL(x["descriptors"].MemberCount(), 3u);
}

BOOST_AUTO_TEST_CASE(spare_ends_stay_below_a_small_limit) {
  auto order = order_of({});
  order.limits = {{RLIMIT_NOFILE, 64, 64}};
  auto x = report_of(order);
  BOOST_CHECK(x["descriptors"].HasMember("62"));
  BOOST_CHECK(x["descriptors"].HasMember("63"));
  BOOST_CHECK_EQUAL(x["nofile"][0].GetInt(), 64);
  BOOST_CHECK_EQUAL(x["nofile"][1].GetInt(), 64);
}

BOOST_AUTO_TEST_CASE(the_keepers_own_descriptor_limit_is_not_the_childs) {
  rlimit ours{};
  BOOST_REQUIRE_EQUAL(::getrlimit(RLIMIT_NOFILE, &ours), 0);
  auto x = report_of(order_of({}));
  BOOST_CHECK_EQUAL(x["nofile"][0].GetUint64(), ours.rlim_cur);
  BOOST_CHECK_EQUAL(x["nofile"][1].GetUint64(), ours.rlim_max);
}

BOOST_AUTO_TEST_CASE(working_dir_umask_nice_and_limits_are_set) {
  auto order = order_of({});
  order.working_dir = "/usr";
  order.umask = 0137;
  order.nice = 7;
  order.limits = {{RLIMIT_CORE, 4096, 8192}};
  order.no_new_privs = true;
  auto x = report_of(order);
  BOOST_CHECK_EQUAL(x["cwd"].GetString(), "/usr");
  BOOST_CHECK_EQUAL(x["umask"].GetInt(), 0137);
  BOOST_CHECK_EQUAL(x["nice"].GetInt(), 7);
  BOOST_CHECK_EQUAL(x["core"][0].GetInt(), 4096);
  BOOST_CHECK_EQUAL(x["core"][1].GetInt(), 8192);
  BOOST_CHECK_EQUAL(x["no_new_privs"].GetInt(), 1);
}

BOOST_AUTO_TEST_CASE(user_group_and_groups_are_set,
                     *boost::unit_test::precondition([](auto) {
                       return is_root();
                     })) {
  auto order = order_of({});
  order.become = {1234, 2345, std::vector<uint32_t>{3456, 4567}};
  auto x = report_of(order);
  BOOST_CHECK_EQUAL(x["uid"].GetInt(), 1234);
  BOOST_CHECK_EQUAL(x["euid"].GetInt(), 1234);
  BOOST_CHECK_EQUAL(x["gid"].GetInt(), 2345);
  BOOST_CHECK_EQUAL(x["egid"].GetInt(), 2345);
  BOOST_TEST(numbers_of(x["groups"]) == (std::vector{3456, 4567}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stdin_is_a_pipe_when_asked_and_ends_when_closed) {
  auto order = order_of({"cat"});
  order.stdin_pipe = true;
  auto run = client.spawn(order);
  auto& ends = client.pipes[run];
  BOOST_REQUIRE_EQUAL(::write(ends.stdin_w.get(), "hello\n", 6), 6);
  BOOST_CHECK_EQUAL(read_line(ends.stdout_r.get()), "hello\n");
  ends.stdin_w.reset();
  client.send(keeper::encode_close_stdin(std::vector{run}));
  BOOST_CHECK(client.wait_for(run, frame_type::exited).exit->code == 0);
}

BOOST_AUTO_TEST_CASE(the_program_is_looked_up_in_the_childs_path) {
  auto order = order_of({"child_exit", "3"});
  order.environment = {"PATH=/nowhere:" PM_BIN_DIR "/children"};
  auto run = client.spawn(order);
  BOOST_CHECK(client.wait_for(run, frame_type::exited).exit->code == 3);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_not_there) {
  check_failure(order_of({"/nowhere/x"}), spawn_stage::exec, ENOENT);
  check_failure(order_of({"no-such-program-at-all"}), spawn_stage::exec,
                ENOENT);
  check_failure(order_of({""}), spawn_stage::exec, ENOENT);
}

BOOST_AUTO_TEST_CASE(a_program_that_may_not_be_executed) {
  auto path = write_script("plain", "#!/bin/sh\n", 0644);
  check_failure(order_of({path}), spawn_stage::exec, EACCES);
  // One that may be executed further on in PATH is found.
  auto order = order_of({"plain"});
  order.environment = {"PATH=" + dir.path() + ":/nowhere"};
  check_failure(order, spawn_stage::exec, EACCES);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_program_is_not_given_to_a_shell) {
  auto path = write_script("script", "exit 0\n", 0755);
  check_failure(order_of({path}), spawn_stage::exec, ENOEXEC);
}

BOOST_AUTO_TEST_CASE(a_program_that_is_being_written) {
  auto path = write_script("busy", "#!/bin/sh\n", 0755);
  unique_fd writer{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  check_failure(order_of({path}), spawn_stage::exec, ETXTBSY);
}

BOOST_AUTO_TEST_CASE(arguments_that_the_kernel_finds_too_long) {
  check_failure(order_of({"/bin/true", std::string(200'000, 'x')}),
                spawn_stage::exec, E2BIG);
  std::vector<std::string> many(100'000, std::string(50, 'y'));
  many.front() = "/bin/true";
  check_failure(order_of(many), spawn_stage::exec, E2BIG);
}

BOOST_AUTO_TEST_CASE(arguments_beyond_one_frame_arrive_whole) {
  std::vector<std::string> argv{"/bin/sh", "-c", "echo $# ${#1}", "sh"};
  argv.insert(argv.end(), 3000, std::string(100, 'z'));
  BOOST_CHECK_EQUAL(client.output_of(order_of(argv)), "3000 100\n");
}

BOOST_AUTO_TEST_CASE(a_working_dir_that_is_not_there) {
  auto order = order_of({"/bin/true"});
  order.working_dir = "/nowhere";
  check_failure(order, spawn_stage::working_dir, ENOENT);
  order = order_of({"/bin/true"});
  order.working_dir = "/bin/true";
  check_failure(order, spawn_stage::working_dir, ENOTDIR);
}

BOOST_AUTO_TEST_CASE(the_working_dir_is_entered_as_the_new_user,
                     *boost::unit_test::precondition([](auto) {
                       return is_root();
                     })) {
  BOOST_REQUIRE_EQUAL(::mkdir(dir.file("closed").c_str(), 0700), 0);
  auto order = order_of({"/bin/true"});
  order.working_dir = dir.file("closed");
  order.become = {1234, 1234, std::vector<uint32_t>{}};
  check_failure(order, spawn_stage::working_dir, EACCES);
}

BOOST_AUTO_TEST_CASE(a_limit_that_the_kernel_refuses) {
  auto order = order_of({"/bin/true"});
  order.limits = {{RLIMIT_CORE, 2, 1}};
  auto result = failure_of(order);
  BOOST_CHECK(result.stage == spawn_stage::limit);
  BOOST_CHECK_EQUAL(result.error_number, EINVAL);
  BOOST_CHECK_EQUAL(result.detail, unsigned{RLIMIT_CORE});
}

BOOST_AUTO_TEST_CASE(a_spawn_is_idempotent_by_run_id) {
  auto order = order_of({"sleep", "1000"});
  auto run = client.spawn(order);
  auto first = client.wait_for(run, frame_type::spawned);
  client.spawn(order);
  auto second = client.wait_for(run, frame_type::spawned);
  BOOST_CHECK_EQUAL(first.pid, second.pid);
  BOOST_CHECK_EQUAL(first.start_ticks, second.start_ticks);
  BOOST_CHECK_EQUAL(children_of(pid).all, 1u);
  BOOST_REQUIRE(send_signal(client.pidfds[run].get(), SIGKILL));
  client.wait_for(run, frame_type::exited);
  client.spawn(order);
  BOOST_CHECK_EQUAL(client.wait_for(run, frame_type::spawned).pid, first.pid);
  auto end = client.wait_for(run, frame_type::exited);
  BOOST_CHECK(end.exit->signal == SIGKILL);
  auto failing = order_of({"/nowhere/x"});
  run = client.spawn(failing);
  client.wait_for(run, frame_type::spawn_failed);
  client.spawn(failing);
  BOOST_CHECK_EQUAL(client.wait_for(run, frame_type::spawn_failed).error_number,
                    ENOENT);
}

BOOST_AUTO_TEST_CASE(identity_is_true_and_the_pidfd_is_the_childs) {
  auto run = client.spawn(order_of({"sleep", "1000"}));
  auto report = client.wait_for(run, frame_type::spawned);
  BOOST_CHECK_EQUAL(*read_start_ticks(report.pid), report.start_ticks);
  BOOST_CHECK(open_pidfd(report.pid, report.start_ticks));
  BOOST_CHECK(!open_pidfd(report.pid, report.start_ticks + 1));
  auto age = std::chrono::system_clock::now() - report.spawned_at;
  BOOST_CHECK(age > milliseconds{-1} && age < patience);
  BOOST_REQUIRE(send_group_signal(client.pidfds[run].get(), report.pid, 15));
  auto end = client.wait_for(run, frame_type::exited);
  BOOST_CHECK(end.exit->reason == exit_reason::signaled);
  BOOST_CHECK(end.exit->signal == SIGTERM);
  BOOST_CHECK(!send_signal(client.pidfds[run].get(), 0));
  BOOST_CHECK(
    send_group_signal(client.pidfds[run].get(), report.pid, 0).error().code
    == ec::not_running);
}

BOOST_AUTO_TEST_SUITE_END()
