#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pm/state_dir.hpp>

using namespace pm;

namespace {

struct fixture {
  fixture() {
    auto name = (std::filesystem::temp_directory_path() / "pm-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    base = name;
  }

  ~fixture() { std::filesystem::remove_all(base); }

  std::string base;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_state_directory, fixture)

BOOST_AUTO_TEST_CASE(it_is_made_with_its_parents_for_the_owner_alone) {
  auto path = base + "/a/b/c";
  auto made = state_dir::open(path);
  BOOST_REQUIRE(made);
  struct stat info {};
  BOOST_REQUIRE(::stat(path.c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0700u);
}

BOOST_AUTO_TEST_CASE(one_that_others_can_write_to_is_refused) {
  BOOST_REQUIRE(::chmod(base.c_str(), 0777) == 0);
  auto refused = state_dir::open(base);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::not_permitted));
  BOOST_TEST(refused.error().text.find(base) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_second_node_is_told_who_holds_it) {
  auto first = state_dir::open(base);
  BOOST_REQUIRE(first->lock_node());
  auto second = state_dir::open(base);
  auto refused = second->lock_node();
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::locked));
  BOOST_TEST(refused.error().text.find("pid " + std::to_string(::getpid()))
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_lock_ends_with_its_holder) {
  {
    auto first = state_dir::open(base);
    BOOST_REQUIRE(first->lock_node());
    BOOST_TEST(std::filesystem::exists(base + "/node.pid"));
  }
  BOOST_TEST(!std::filesystem::exists(base + "/node.pid"));
  auto second = state_dir::open(base);
  BOOST_TEST(second->lock_node().has_value());
}

BOOST_AUTO_TEST_CASE(the_option_comes_before_the_environment) {
  auto set = [](const char* name, const char* value) {
    if (value != nullptr)
      ::setenv(name, value, 1);
    else
      ::unsetenv(name);
  };
  set("HOME", "/h");
  set("XDG_STATE_HOME", nullptr);
  set("PM_STATE_DIR", nullptr);
  BOOST_TEST(resolve_state_dir("") == "/h/.local/state/pm");
  set("XDG_STATE_HOME", "/x");
  BOOST_TEST(resolve_state_dir("") == "/x/pm");
  set("PM_STATE_DIR", "/p");
  BOOST_TEST(resolve_state_dir("") == "/p");
  BOOST_TEST(resolve_state_dir("/o/") == "/o");
  BOOST_TEST(resolve_state_dir("rel")
             == (std::filesystem::current_path() / "rel").string());
  set("PM_STATE_DIR", nullptr);
}

BOOST_AUTO_TEST_CASE(without_a_home_the_user_database_has_one) {
  ::unsetenv("HOME");
  ::unsetenv("XDG_STATE_HOME");
  ::unsetenv("PM_STATE_DIR");
  auto* me = ::getpwuid(::geteuid());
  BOOST_REQUIRE(me != nullptr);
  BOOST_TEST(resolve_state_dir("")
             == std::string{me->pw_dir} + "/.local/state/pm");
}

BOOST_AUTO_TEST_CASE(one_of_another_user_is_refused) {
  // Root can give its directory away; others find one in the root.
  auto path = ::geteuid() == 0 ? base : std::string{"/"};
  if (::geteuid() == 0)
    BOOST_REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
  auto refused = state_dir::open(path);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::not_permitted));
  BOOST_TEST(refused.error().text.find("belongs to uid") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_no_directory_is_refused) {
  auto path = base + "/file";
  std::ofstream{path} << "x";
  for (auto& name : {path, path + "/below"}) {
    auto refused = state_dir::open(name);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == ec::storage_failed));
    BOOST_TEST(refused.error().text.find("Not a directory")
               != std::string::npos);
  }
}

// Another process holds the lock until its pipe is closed, by its death too.
BOOST_AUTO_TEST_CASE(a_lock_of_another_process_is_named_and_ends_with_it) {
  int ready[2];
  int go[2];
  BOOST_REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  BOOST_REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
  auto holder = ::fork();
  BOOST_REQUIRE(holder >= 0);
  char byte = 0;
  if (holder == 0) {
    ::close(go[1]);
    auto mine = state_dir::open(base);
    byte = mine && mine->lock_node() ? 'y' : 'n';
    auto told = ::write(ready[1], &byte, 1);
    auto released = ::read(go[0], &byte, 1);
    ::_exit(told + released == 1 ? 0 : 1); // as a crash: nothing is tidied
  }
  BOOST_TEST(::read(ready[0], &byte, 1) == 1);
  BOOST_TEST(byte == 'y');
  auto ours = state_dir::open(base);
  auto refused = ours->lock_node();
  for (auto fd : {ready[0], ready[1], go[0], go[1]})
    ::close(fd);
  int status = -1;
  BOOST_TEST(::waitpid(holder, &status, 0) == holder);
  BOOST_TEST(status == 0);
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::locked));
  BOOST_TEST(refused.error().text.find(fmt::format("(pid {})", holder))
             != std::string::npos);
  BOOST_TEST(ours->lock_node().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
