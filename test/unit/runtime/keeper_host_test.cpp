#define BOOST_TEST_MODULE keeper_host
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "runtime/os/unique_fd.hpp"
#include "test/unit/runtime/host_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(keeper_host_test, host_fixture)

BOOST_AUTO_TEST_CASE(output_and_exit_code_come_back) {
  auto told = run(shell("echo out; echo err >&2; exit 7"));
  BOOST_TEST(told->order == (std::vector<std::string>{"spawned", "exited"}),
             boost::test_tools::per_element());
  BOOST_TEST(told->exit->stdout_text == "out\n");
  BOOST_TEST(told->exit->stderr_text == "err\n");
  BOOST_TEST((told->exit->exit == exit_status{exit_reason::exited, 7, {}}));
  BOOST_TEST(!told->exit->group_alive);
  BOOST_TEST(told->who->pid > 0);
  BOOST_TEST(told->who->start_ticks > 0u);
  BOOST_TEST(told->who->boot_id.size() == 36u);
  auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  BOOST_TEST((told->spawned_at <= told->exit->at));
  BOOST_TEST((now - told->exit->at < 5s));
}

BOOST_AUTO_TEST_CASE(captured_output_is_cut_at_its_limit) {
  auto what = shell("head -c 300000 /dev/zero");
  what.capture_max = 200'000;
  auto told = run(what);
  BOOST_TEST(told->exit->stdout_text.size() == 200'000u);
  BOOST_TEST(told->exit->stdout_cut);
  BOOST_TEST(!told->exit->stderr_cut);
}

BOOST_AUTO_TEST_CASE(a_log_gets_everything_before_the_exit_is_told) {
  auto what = shell("seq 1 20000; echo bad >&2", output_mode::log);
  what.log_file = dir / "logs/web.log";
  auto told = run(what);
  auto text = read_file(what.log_file);
  BOOST_TEST(text.size() == 108'894u + 4);
  BOOST_TEST(text.find("bad\n") != std::string::npos);
  BOOST_TEST(told->exit->stdout_text.empty());
  BOOST_TEST(host->counters().log_bytes == text.size());
  BOOST_TEST(host->dropped_bytes(what.run_id) == 0u);
}

BOOST_AUTO_TEST_CASE(streamed_output_waits_for_credit_and_keeps_its_order) {
  auto what =
    request({child("child_lines"), "20000", "100"}, output_mode::stream);
  auto told = spawn(what);
  auto& text = told->text[0];
  BOOST_TEST(run_until([&] { return text.size() == stream_window; }));
  run_for(30ms);
  BOOST_TEST(text.size() == stream_window);
  BOOST_TEST(!told->exit.has_value());
  size_t given = 0;
  BOOST_TEST(run_until([&] {
    host->consumed(what.run_id, stream::stdout_stream, text.size() - given);
    given = text.size();
    return told->is_over();
  }));
  BOOST_TEST(text.size() == 2'000'000u);
  BOOST_TEST(told->order
               == (std::vector<std::string>{"spawned", "output", "exited"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_exit_does_not_wait_for_a_grandchild) {
  auto what =
    request({child("child_tree"), "leave", "setsid"}, output_mode::log);
  what.log_file = dir / "tree.log";
  auto told = run(what);
  BOOST_TEST((told->exit->exit.code == 0));
  auto text = read_file(what.log_file);
  int pid = 0;
  int grandchild = 0;
  BOOST_REQUIRE(std::sscanf(text.c_str(), "%d %d", &pid, &grandchild) == 2);
  BOOST_TEST(pid == told->who->pid);
  BOOST_TEST(host->counters().pipes == 2u); // the log goes on
  host->acknowledge(what.run_id);
  run_for(5ms);
  BOOST_TEST(host->counters().runs == 1u);
  ::kill(grandchild, SIGKILL);
  BOOST_TEST(run_until([&] { return host->counters().runs == 0; }));
  BOOST_TEST(host->counters().pipes == 0u);
  runs.clear();
}

BOOST_AUTO_TEST_CASE(each_failed_spawn_says_what_and_why) {
  auto fails = [&](spawn_request what) {
    auto told = run(std::move(what));
    BOOST_REQUIRE(told->failure.has_value());
    BOOST_TEST((told->failure->code == ec::spawn_failed));
    BOOST_TEST(told->order.size() == 1u);
    return told->failure->text;
  };
  BOOST_TEST(fails(request({"/opt/no-such"}))
             == "spawn 'web': /opt/no-such: No such file or directory");
  BOOST_TEST(fails(request({"/etc/passwd"}))
             == "spawn 'web': /etc/passwd: Permission denied");
  BOOST_TEST(fails(request({std::string("/bin/echo\0x", 11)})).find("NUL")
             != std::string::npos);
  auto what = request({"/bin/true"});
  what.working_dir = "/no-such-directory-of-pm";
  BOOST_TEST(fails(what)
             == "spawn 'web': working_dir /no-such-directory-of-pm: No such "
                "file or directory");
  what = request({"/bin/true"});
  what.user = "no-such-user";
  BOOST_TEST(fails(what) == "spawn 'web': user 'no-such-user': no such user");
  what = request({"/bin/true"});
  what.limits = {{"bogus", 1, 1}};
  BOOST_TEST(fails(what).starts_with("spawn 'web': "));
  what = request({"/bin/true"});
  what.environment = {"BIG=" + std::string(200'000, 'x')};
  BOOST_TEST(fails(what) == "spawn 'web': /bin/true: Argument list too long");
  BOOST_TEST(run_until([&] { return host->counters().runs == 0; }));
  BOOST_TEST(host->counters().pipes == 0u);
}

BOOST_AUTO_TEST_CASE(signals_reach_the_process_or_its_group) {
  auto what = shell("trap 'echo one; exit 3' TERM; "
                    "sh -c 'trap \"exit 0\" TERM; echo up; "
                    "while :; do sleep 0.01; done' & "
                    "while :; do sleep 0.01; done",
                    output_mode::stream);
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->text[0] == "up\n"; }));
  host->signal(what.run_id, SIGTERM, signal_scope::one_process);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_TEST((told->exit->exit.code == 3));
  BOOST_TEST(told->exit->group_alive);
  host->watch_group(what.run_id);
  run_for(20ms);
  BOOST_TEST(!told->gone);
  host->signal(what.run_id, SIGKILL, signal_scope::whole_group);
  BOOST_TEST(run_until([&] { return told->gone; }));
  BOOST_TEST(told->order.back() == "group_gone");
}

BOOST_AUTO_TEST_CASE(a_signals_end_is_told_as_such) {
  auto what = request({"/bin/sleep", "100"});
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who.has_value(); }));
  host->signal(what.run_id, SIGKILL, signal_scope::one_process);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_TEST(
    (told->exit->exit == exit_status{exit_reason::signaled, {}, SIGKILL}));
  host->watch_group(what.run_id); // of a group that is gone already
  BOOST_TEST(run_until([&] { return told->gone; }));
}

BOOST_AUTO_TEST_CASE(stdin_is_fed_in_order_and_ended) {
  auto what = request({"/bin/cat"}, output_mode::stream);
  what.stdin_pipe = true;
  auto told = spawn(what);
  std::string sent;
  for (char c = 'a'; c < 'e'; ++c) { // each is more than the pipe holds
    std::string bytes(100'000, c);
    std::optional<expected<void>> done;
    host->write_stdin(what.run_id, bytes, [&](auto x) { done = x; });
    std::optional<expected<void>> second;
    host->write_stdin(what.run_id, "x", [&](auto x) { second = x; });
    BOOST_TEST(run_until([&] {
      for (auto& [run, x] : runs)
        host->consumed(run, stream::stdout_stream, 1u << 20);
      return done.has_value();
    }));
    BOOST_TEST(done->has_value());
    BOOST_REQUIRE(second.has_value());
    BOOST_TEST((second->error().code == ec::busy));
    sent += bytes;
  }
  host->close_stdin(what.run_id);
  BOOST_TEST(run_until([&] {
    host->consumed(what.run_id, stream::stdout_stream, 1u << 20);
    return told->is_over();
  }));
  BOOST_TEST((told->exit->exit.code == 0));
  BOOST_TEST((told->text[0] == sent));
}

BOOST_AUTO_TEST_CASE(stdin_closed_before_the_spawn_is_an_empty_one) {
  auto what = request({"/bin/cat"});
  what.stdin_pipe = true;
  if (::getuid() == 0)
    what.user = "root"; // asks the name service: the spawn waits for that
  auto told = spawn(what);
  host->close_stdin(what.run_id);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  BOOST_REQUIRE(told->exit.has_value());
  BOOST_TEST((told->exit->exit.code == 0));
}

BOOST_AUTO_TEST_CASE(writing_to_a_child_that_does_not_read_is_an_error) {
  struct sigaction before {};
  ::sigaction(SIGPIPE, nullptr, &before);
  BOOST_REQUIRE(before.sa_handler == SIG_DFL); // it would end this test
  auto what =
    shell("exec 0<&-; echo closed; exec sleep 100", output_mode::stream);
  what.stdin_pipe = true;
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->text[0] == "closed\n"; }));
  std::optional<expected<void>> done;
  host->write_stdin(what.run_id, "x", [&](auto x) { done = x; });
  BOOST_TEST(run_until([&] { return done.has_value(); }));
  BOOST_REQUIRE(!done->has_value());
  BOOST_TEST((done->error().code == ec::not_running));
  host->write_stdin(run_id{{9}}, "x", [&](auto x) { done = x; });
  done.reset();
  BOOST_TEST(run_until([&] { return done.has_value(); }));
  BOOST_TEST((done->error().code == ec::not_running));
}

BOOST_AUTO_TEST_CASE(three_hundred_at_once_all_tell_their_code) {
  auto before = open_descriptors();
  std::vector<std::shared_ptr<told_run>> all;
  for (int i = 0; i < 300; ++i)
    all.push_back(
      spawn(request({child("child_exit"), std::to_string(i % 256)})));
  BOOST_TEST(run_until([&] { return all_over(); }));
  for (int i = 0; i < 300; ++i) {
    BOOST_REQUIRE(all[i]->exit.has_value());
    BOOST_TEST((all[i]->exit->exit.code == i % 256));
  }
  acknowledge_all();
  BOOST_TEST(run_until([&] { return host->counters().runs == 0; }));
  BOOST_TEST(open_descriptors() == before);
  BOOST_TEST(host->counters().exits == 300u);
  BOOST_TEST(host->counters().frames == 0u);
}

BOOST_AUTO_TEST_CASE(a_live_run_costs_three_descriptors_and_no_wakeup) {
  auto before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    auto what = request({"/bin/sleep", "100"}, output_mode::log);
    what.log_file = dir / fmt::format("{}.log", i);
    spawn(what);
  }
  BOOST_TEST(run_until([&] {
    for (auto& [run, x] : runs)
      if (!x->who)
        return false;
    return true;
  }));
  BOOST_TEST(open_descriptors() == before + 300);
  BOOST_TEST(host->counters().log_files == 0u);
  run_for(5ms);
  auto turns = loop->counters().turns;
  run_for(200ms);
  BOOST_TEST(loop->counters().turns - turns <= 3u);
}

BOOST_AUTO_TEST_CASE(acknowledged_runs_let_go_of_their_listener) {
  auto what = shell("exit 0");
  auto told = run(what);
  BOOST_TEST(told.use_count() > 2);
  acknowledge_all();
  BOOST_TEST(run_until([&] { return told.use_count() == 1; }));
}

BOOST_AUTO_TEST_CASE(without_free_descriptors_a_spawn_fails_and_leaks_none) {
  auto warm = run(shell("exit 0"));
  auto before = open_descriptors();
  rlimit old{};
  ::getrlimit(RLIMIT_NOFILE, &old);
  auto highest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::close(highest);
  for (int room = 0; room < 4; ++room) {
    rlimit tight = old;
    tight.rlim_cur = static_cast<rlim_t>(highest + room);
    ::setrlimit(RLIMIT_NOFILE, &tight);
    auto told = spawn(request({"/bin/true"}));
    BOOST_TEST(run_until([&] { return told->is_over(); }));
    ::setrlimit(RLIMIT_NOFILE, &old);
    BOOST_REQUIRE(told->failure.has_value());
    BOOST_TEST(told->failure->text
               == "spawn 'web': output pipe: Too many open files");
  }
  // Enough for the pipes, and none is free when the pidfd arrives.
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(highest + 4);
  ::setrlimit(RLIMIT_NOFILE, &tight);
  auto what = request({"/bin/sleep", "100"});
  auto told = spawn(what);
  BOOST_TEST(run_until([&] { return told->who || told->is_over(); }));
  ::setrlimit(RLIMIT_NOFILE, &old);
  host->signal(what.run_id, SIGKILL, signal_scope::one_process);
  BOOST_TEST(run_until([&] { return told->is_over(); }));
  acknowledge_all();
  BOOST_TEST(run_until([&] { return host->counters().runs == 0; }));
  BOOST_TEST(open_descriptors() <= before);
}

BOOST_AUTO_TEST_CASE(spawning_the_same_run_twice_starts_one_process) {
  auto what = shell("echo once >> \"$0\"", output_mode::log);
  what.argv.push_back(dir / "count");
  what.log_file = dir / "web.log";
  auto first = spawn(what);
  auto second = spawn(what);
  BOOST_TEST(run_until([&] { return second->is_over(); }));
  auto third = spawn(what);
  BOOST_TEST(run_until([&] { return third->is_over(); }));
  BOOST_TEST((third->exit->exit.code == 0));
  BOOST_TEST((third->who == second->who));
  BOOST_TEST(read_file(dir / "count") == "once\n");
}

BOOST_AUTO_TEST_CASE(the_children_are_nobodys_business_of_the_host) {
  auto told = run(shell("exit 1"));
  BOOST_TEST(::waitpid(-1, nullptr, WNOHANG) == -1);
  BOOST_TEST(errno == ECHILD);
  auto parent = read_process_stat(host->keeper_pid());
  BOOST_REQUIRE(parent.has_value());
  BOOST_TEST(parent->parent_pid != ::getpid());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
