#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "runtime/os/names.hpp"
#include "runtime/os/proc.hpp"

// What runtime/os says about processes and names.

using namespace pm;

namespace {

// A child that waits for its end; killed and reaped with the object.
struct sleeper {
  pid_t pid = ::fork();

  sleeper() {
    if (pid == 0)
      for (;;)
        ::pause();
  }

  ~sleeper() { end(); }

  void end() {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    pid = -1;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(os)

BOOST_AUTO_TEST_CASE(the_boot_id_is_a_uuid) {
  BOOST_CHECK_EQUAL(read_boot_id().value().size(), 36u);
}

BOOST_AUTO_TEST_CASE(a_process_stat_is_our_own) {
  auto x = read_process_stat(::getpid());
  BOOST_REQUIRE(x);
  BOOST_CHECK_EQUAL(x->parent_pid, ::getppid());
  BOOST_CHECK_EQUAL(x->group_id, ::getpgrp());
  BOOST_CHECK_EQUAL(x->session_id, ::getsid(0));
  BOOST_CHECK_EQUAL(x->state, 'R');
  BOOST_CHECK_GT(x->rss_bytes, 500'000u);
  BOOST_CHECK_GT(x->start_ticks, 0u);
  BOOST_CHECK(read_process_stat(0x7ffffff0).error().code == ec::not_running);
}

BOOST_AUTO_TEST_CASE(a_pidfd_names_one_process_for_ever) {
  sleeper child;
  auto ticks = read_start_ticks(child.pid).value();
  auto pidfd = open_pidfd(child.pid, ticks);
  BOOST_REQUIRE(pidfd);
  BOOST_CHECK(open_pidfd(child.pid, ticks + 1).error().code == ec::not_running);
  BOOST_CHECK(send_signal(pidfd->get(), 0));
  BOOST_CHECK(!has_ended(pidfd->get()));
  child.end();
  BOOST_CHECK(has_ended(pidfd->get()));
  BOOST_CHECK(send_signal(pidfd->get(), 0).error().code == ec::not_running);
}

BOOST_AUTO_TEST_CASE(the_end_of_a_process_is_known_or_unknown) {
  auto begin = [](int code) {
    auto pid = ::fork();
    if (pid == 0)
      ::_exit(code);
    return pid;
  };
  auto is_over = [](int pid) {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT)
           == 0;
  };
  for (auto code : {7, 0}) {
    auto pid = begin(code);
    auto pidfd = open_pidfd(pid);
    BOOST_REQUIRE(pidfd);
    BOOST_REQUIRE(is_over(pid));
    // A zombie tells it, but for a 0, which may be none.
    auto early = exit_of_ended(pid, pidfd->get());
    BOOST_CHECK_EQUAL(early.has_value(), code != 0);
    if (early)
      BOOST_CHECK_EQUAL(early->code.value(), 7);
    ::waitpid(pid, nullptr, 0);
    if (auto end = exit_of_ended(pid, pidfd->get())) // a newer kernel
      BOOST_CHECK_EQUAL(end->code.value(), code);
  }
  sleeper child;
  auto pidfd = open_pidfd(child.pid);
  BOOST_CHECK(!exit_of_ended(child.pid, pidfd->get()));
  ::kill(child.pid, SIGKILL);
  BOOST_REQUIRE(is_over(child.pid));
  BOOST_CHECK_EQUAL(exit_of_ended(child.pid, pidfd->get())->signal.value(),
                    SIGKILL);
}

BOOST_AUTO_TEST_CASE(users_and_groups_become_numbers) {
  BOOST_CHECK(resolve_credentials("", "").value() == credentials{});
  auto daemon = ::getpwnam("daemon");
  BOOST_REQUIRE(daemon != nullptr);
  auto uid = daemon->pw_uid;
  auto gid = daemon->pw_gid;
  auto x = resolve_credentials("daemon", "").value();
  BOOST_CHECK_EQUAL(x.uid.value(), uid);
  BOOST_CHECK_EQUAL(x.gid.value(), gid);
  BOOST_REQUIRE(x.groups);
  BOOST_CHECK(x == resolve_credentials(std::to_string(uid), "").value());
  auto tty = ::getgrnam("tty");
  BOOST_REQUIRE(tty != nullptr);
  x = resolve_credentials("", "tty").value();
  BOOST_CHECK_EQUAL(x.gid.value(), tty->gr_gid);
  BOOST_CHECK(!x.uid && x.groups->empty());
  x = resolve_credentials("54321", "54322").value();
  BOOST_CHECK_EQUAL(x.uid.value(), 54321u);
  BOOST_CHECK_EQUAL(x.gid.value(), 54322u);
}

BOOST_AUTO_TEST_CASE(unknown_names_are_named) {
  auto text = [](const char* user, const char* group) {
    auto x = resolve_credentials(user, group);
    BOOST_REQUIRE(!x);
    BOOST_CHECK(x.error().code == ec::invalid_argument);
    return x.error().text;
  };
  BOOST_CHECK_EQUAL(text("no-such-bob", ""),
                    "user 'no-such-bob': no such user");
  BOOST_CHECK_EQUAL(text("", "no-such-group"),
                    "group 'no-such-group': no such group");
  BOOST_CHECK_NE(text("54321", "").find("group is needed"), std::string::npos);
  BOOST_CHECK_NE(text("4294967295", "0").find("no such user"),
                 std::string::npos);
}

BOOST_AUTO_TEST_CASE(limits_become_numbers) {
  BOOST_CHECK_EQUAL(rlimit_number("nofile").value(), int{RLIMIT_NOFILE});
  BOOST_CHECK_EQUAL(rlimit_number("RLIMIT_CORE").value(), int{RLIMIT_CORE});
  BOOST_CHECK_EQUAL(rlimit_name(RLIMIT_AS), "as");
  auto x = resolve_limits({{"core", 0, std::nullopt}, {"nofile", 5, 6}});
  BOOST_REQUIRE(x);
  BOOST_CHECK((*x)[0] == (numeric_limit{RLIMIT_CORE, 0, UINT64_MAX}));
  BOOST_CHECK((*x)[1] == (numeric_limit{RLIMIT_NOFILE, 5, 6}));
  BOOST_CHECK(!resolve_limits({{"files", 1, 1}}));
  BOOST_CHECK(!resolve_limits({{"core", 2, 1}}));
  BOOST_CHECK(!resolve_limits({{"core", 1, 1}, {"CORE", 1, 1}}));
}

BOOST_AUTO_TEST_SUITE_END()
