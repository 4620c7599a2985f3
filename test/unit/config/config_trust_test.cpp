#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/config/config_fixture.hpp"

using pm_test::config_fixture;

namespace {

constexpr auto text = R"({"processes": {"a": {"command": "b"}}})";

// Gives files away, so it needs root; without, only says so.
struct trust_fixture : config_fixture {
  bool skip() const {
    if (::geteuid() == 0)
      return false;
    BOOST_TEST_MESSAGE("not root: the refusals are root's alone");
    return true;
  }

  bool refused(const std::string& path, std::string_view why) {
    auto problems = problems_of(path);
    BOOST_TEST_MESSAGE(problems);
    return problems.find("refused, since root would run what others write")
             != std::string::npos
           && problems.find(why) != std::string::npos;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(config_trust, trust_fixture)

BOOST_AUTO_TEST_CASE(root_refuses_a_file_that_others_can_write) {
  if (skip())
    return;
  auto path = write("x.json", text);
  BOOST_TEST(problems_of(path) == "");
  ::chmod(path.c_str(), 0666);
  BOOST_TEST(refused(path, "anybody can write it"));
  ::chmod(path.c_str(), 0660);
  BOOST_TEST(problems_of(path) == ""); // root's own group
  BOOST_REQUIRE(::chown(path.c_str(), 0, 12345) == 0);
  BOOST_TEST(refused(path, "group 12345 can write it"));
  ::chmod(path.c_str(), 0640);
  BOOST_TEST(problems_of(path) == "");
  BOOST_REQUIRE(::chown(path.c_str(), 12345, 0) == 0);
  BOOST_TEST(refused(path, "it belongs to user 12345"));
}

BOOST_AUTO_TEST_CASE(root_refuses_a_file_in_a_directory_of_others) {
  if (skip())
    return;
  auto path = write("d/x.json", text);
  auto parent = dir + "/d";
  ::chmod(parent.c_str(), 0777);
  BOOST_TEST(refused(path, "its directory DIR/d: anybody can write it"));
  ::chmod(parent.c_str(), 01777); // nobody replaces root's file in a /tmp
  BOOST_TEST(problems_of(path) == "");
  // A link from a good place leads into it all the same.
  ::chmod(parent.c_str(), 0777);
  auto link = dir + "/link.json";
  BOOST_REQUIRE(::symlink(path.c_str(), link.c_str()) == 0);
  BOOST_TEST(refused(link, "its directory DIR/d"));
}

BOOST_AUTO_TEST_CASE(root_refuses_includes_and_env_files_of_others) {
  if (skip())
    return;
  auto included = write("y.json", text);
  auto path = write("x.json", R"({"include": "y.json"})");
  ::chmod(included.c_str(), 0666);
  BOOST_TEST(refused(path, "DIR/x.json:1:13: cannot include 'DIR/y.json'"));
  auto env = write("e.env", "A=1");
  ::chmod(env.c_str(), 0666);
  path = write(
    "z.json", R"({"processes": {"a": {"command": "b", "env_file": "e.env"}}})");
  BOOST_TEST(refused(path, "DIR/e.env"));
}

BOOST_AUTO_TEST_CASE(a_fifo_is_refused_without_waiting_for_a_writer) {
  auto path = dir + "/fifo";
  BOOST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  BOOST_TEST(problems_of(path)
             == "DIR/fifo: cannot be read: not a regular file");
}

BOOST_AUTO_TEST_SUITE_END()
