#include <boost/test/unit_test.hpp>

#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "test/support/daemon_fixture.hpp"

// Real faults below a real node: a full file system, one that turned read-only,
// a sync that fails. The children never notice.

using namespace pm::test;
using namespace std::chrono_literals;
namespace utf = boost::unit_test;

namespace {

constexpr auto one_service = R"({
  "processes": {"web": {"command": ["sleep", "1000"], "restart": "always"}}
})";

struct can_mount {
  boost::test_tools::assertion_result operator()(utf::test_unit_id) const {
    temporary_directory probe;
    if (::geteuid() == 0
        && ::mount("tmpfs", probe.path().c_str(), "tmpfs", 0, "size=64k") == 0
        && ::umount2(probe.path().c_str(), MNT_DETACH) == 0)
      return true;
    boost::test_tools::assertion_result no{false};
    no.message() << "file systems can be mounted by root only";
    return no;
  }
};

struct can_trace {
  boost::test_tools::assertion_result operator()(utf::test_unit_id) const {
    if (run_command({"sh", "-c", "strace -o /dev/null true"}).code == 0)
      return true;
    boost::test_tools::assertion_result no{false};
    no.message() << "strace is not there, or not allowed";
    return no;
  }
};

// The state directory on an ext4 of its own, of 16 MB.
struct small_disk : daemon_fixture {
  small_disk() {
    auto image = directory().file("image");
    auto made =
      run_command({"sh", "-c",
                   "truncate -s 16M " + image + " && mkfs.ext4 -q -m 0 " + image
                     + " && mkdir -m 700 " + state_dir() + " && mount -o loop "
                     + image + " " + state_dir()});
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.err);
  }

  ~small_disk() {
    abandon();
    for (auto pid : children)
      if (process_exists(pid))
        ::kill(pid, SIGKILL);
    run_command({"umount", "-l", state_dir()});
  }

  void begin() {
    start(one_service);
    BOOST_TEST(wait_for_status("web", "running"));
    children.push_back(pid_of("web"));
    BOOST_TEST(ctl({"start", "--name", "job", "--", "sleep", "1000"}).code
               == 0);
    children.push_back(pid_of("job"));
  }

  void fill() const {
    auto fd = ::open((state_dir() + "/filler").c_str(),
                     O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    BOOST_REQUIRE(fd >= 0);
    const std::string block(4096, 'x');
    while (::write(fd, block.data(), block.size()) > 0)
      ;
    ::close(fd);
  }

  void make_room() const { ::unlink((state_dir() + "/filler").c_str()); }

  // The last block of the journal has room for some.
  bool start_is_refused(const std::string& why) {
    for (int i = 0; i < 200; ++i) {
      auto name = "new" + std::to_string(i);
      auto result = ctl({"start", "--name", name, "--", "sleep", "1000"});
      // The intent may have had room, and what came of it not.
      if (result.code == 0
          || result.err.find("not on disk yet") != std::string::npos) {
        children.push_back(pid_of(name));
        continue;
      }
      BOOST_TEST(result.code == 1);
      BOOST_TEST(result.err.find(why) != std::string::npos, result.err);
      BOOST_TEST(ctl({"status", name}).code == 4); // there is no such process
      return true;
    }
    return false;
  }

  std::vector<int> children;
};

} // namespace

BOOST_AUTO_TEST_SUITE(real_faults)

BOOST_FIXTURE_TEST_CASE(a_full_disk_refuses_changes_and_nothing_else,
                        small_disk, *utf::precondition(can_mount{})) {
  begin();
  auto web = pid_of("web");
  fill();
  BOOST_REQUIRE(start_is_refused("No space left"));
  BOOST_TEST(ctl({"restart", "web"}).code == 1);
  BOOST_TEST(pid_of("web") == web);
  BOOST_TEST(ctl({"list"}).code == 0);
  // What happens all the same is shown, and kept for later.
  auto first = children[1];
  ::kill(first, SIGKILL);
  BOOST_TEST(wait_until([&] { return status_of("job") != "running"; }));
  make_room();
  BOOST_TEST(wait_until([&] {
    return ctl({"start", "--name", "late", "--", "true"}).code == 0;
  }));
  BOOST_TEST(wait_for_status("late", "stopped"));
  // The restart by policy waited for the disk.
  BOOST_TEST(wait_for_status("job", "running"));
  children.push_back(pid_of("job"));
  BOOST_TEST(pid_of("job") != first);
  BOOST_TEST(ctl({"save"}).code == 0);
  crash();
  start(one_service);
  BOOST_TEST(pid_of("web") == web);
  BOOST_TEST(status_of("late") == "stopped");
}

BOOST_FIXTURE_TEST_CASE(a_disk_that_turns_read_only_harms_no_process,
                        small_disk, *utf::precondition(can_mount{})) {
  begin();
  auto web = pid_of("web");
  auto aborted = run_command({"mount", "-o", "remount,abort", state_dir()});
  BOOST_TEST_REQUIRE(aborted.code == 0, aborted.err);
  auto refused = ctl({"start", "--name", "new", "--", "sleep", "1000"});
  BOOST_TEST(refused.code == 1);
  BOOST_TEST(refused.err.find("ead-only") != std::string::npos, refused.err);
  BOOST_TEST(pid_of("web") == web);
  BOOST_TEST(process_exists(web));
  auto stopped = ctl({"stop", "web"});
  BOOST_TEST(stopped.code == 1); // it is stopped, and that is not on disk
  BOOST_TEST(stopped.err.find("not on disk yet") != std::string::npos,
             stopped.err);
  BOOST_TEST(!process_exists(web));
}

// The first sync of the journal and that of the snapshot which should mend it
// fail; the next attempt succeeds.
BOOST_FIXTURE_TEST_CASE(a_failed_sync_is_told_and_then_mended, daemon_fixture,
                        *utf::precondition(can_trace{})) {
  start(one_service);
  BOOST_TEST(wait_for_status("web", "running"));
  auto web = pid_of("web");
  auto tell = directory().file("traced");
  auto pid = std::to_string(node_pid());
  auto tracer = std::stoi(
    run_command(
      {"sh", "-c",
       "strace -f -qq -o " + tell
         + " -e trace=fdatasync -e inject=fdatasync:error=EIO:when=1 -p " + pid
         + " > /dev/null 2>&1 & echo $!"})
      .out);
  auto traced = [&] {
    return read_file("/proc/" + pid + "/status").find("TracerPid:\t0\n")
           == std::string::npos;
  };
  BOOST_TEST_REQUIRE(wait_until(traced));
  auto told = ctl({"start", "--name", "new", "--", "sleep", "1000"});
  BOOST_TEST(told.code == 1);
  BOOST_TEST(told.err.find("not on disk yet") != std::string::npos, told.err);
  BOOST_TEST(ctl({"start", "--name", "next", "--", "sleep", "1000"}).code == 0);
  BOOST_TEST(read_file(tell).find("EIO") != std::string::npos);
  ::kill(tracer, SIGTERM);
  BOOST_TEST(wait_until([&] { return !traced(); }));
  auto pids = std::vector{web, pid_of("new"), pid_of("next")};
  crash();
  start(one_service);
  BOOST_TEST(pids
               == (std::vector{pid_of("web"), pid_of("new"), pid_of("next")}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
