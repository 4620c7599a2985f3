#include "test/unit/config/config_fixture.hpp"

#include <algorithm>

// Each file of test/unit/config/bad says in its first line what it must be
// told: "// expect: LINE:COLUMN: TEXT", several ones joined by " | ".

namespace fs = std::filesystem;
using pm_test::config_fixture;

namespace {

// The problems of one file in the form of its first line.
std::string told(config_fixture& f, const fs::path& file) {
  auto text = f.problems_of(file.string());
  auto prefix = "DIR/bad/" + file.filename().string() + ":";
  for (size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;)
    text.erase(at, prefix.size());
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos;)
    text.replace(at, 1, " | ");
  return text;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(bad_configs, config_fixture)

BOOST_AUTO_TEST_CASE(each_wrong_config_is_told_what_and_where) {
  copy("test/unit/config/bad", "bad");
  copy("test/unit/config/good", "good");
  const std::string mark = "// expect: ";
  int count = 0;
  for (auto& entry : fs::directory_iterator{dir + "/bad"}) {
    BOOST_TEST_CONTEXT(entry.path().filename()) {
      auto text = read(entry.path().string());
      auto first = text.substr(0, text.find('\n'));
      BOOST_REQUIRE(first.starts_with(mark));
      BOOST_TEST(told(*this, entry.path()) == first.substr(mark.size()));
      ++count;
    }
  }
  BOOST_TEST(count >= 60);
}

BOOST_AUTO_TEST_CASE(all_problems_of_a_file_are_told_in_order) {
  auto path = write("x.json", R"({
  "nodes": {},
  "processes": {
    "a": {"comand": "x"},
    "b": {"command": "x", "nice": "1", "restart_delay": "5"},
    "c": {"command": "x", "limits": {"core": {"soft": 2, "hard": 1}}}
  }
})");
  auto config = pm::load_config(path, lookup());
  BOOST_REQUIRE(!config);
  std::string places;
  for (auto& x : config.error())
    places += fmt::format("{}:{} ", x.line, x.column);
  BOOST_TEST(places == "2:3 4:11 5:35 5:57 6:46 ");
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_told_without_a_place) {
  BOOST_TEST(problems_of(dir + "/none.json")
             == "DIR/none.json: cannot be read: No such file or directory");
  BOOST_TEST(problems_of(dir) == "DIR: cannot be read: not a regular file");
}

BOOST_AUTO_TEST_CASE(a_file_of_more_than_16_mib_is_refused) {
  std::string text(17u << 20, ' ');
  BOOST_TEST(problems_of(write("x.json", text))
             == "DIR/x.json: cannot be read: larger than 16 MiB");
}

BOOST_AUTO_TEST_CASE(too_many_values_are_refused) {
  std::string text = "[";
  for (int i = 0; i < 1'000'001; ++i)
    text += "0,";
  BOOST_TEST(problems_of(write("x.json", text + "]")).find("too many values")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(more_than_100_problems_are_not_told) {
  std::string text = R"({"processes": {)";
  for (int i = 0; i < 300; ++i)
    text += fmt::format("\"p{}\": {{}},", i);
  auto config = pm::load_config(write("x.json", text + "}}"), lookup());
  BOOST_REQUIRE(!config);
  BOOST_TEST(config.error().size() == 100u);
}

BOOST_AUTO_TEST_CASE(an_include_cycle_over_two_files_is_found) {
  write("a.json", R"({"include": "b.json"})");
  write("b.json", R"({"include": ["a.json"]})");
  BOOST_TEST(problems_of(dir + "/a.json")
             == "DIR/b.json:1:14: cannot include 'DIR/a.json': it includes "
                "itself");
}

BOOST_AUTO_TEST_CASE(includes_end_at_a_depth) {
  for (int i = 0; i < 20; ++i)
    write(fmt::format("{}.json", i),
          fmt::format("{{\"include\": \"{}.json\"}}", i + 1));
  BOOST_TEST(problems_of(dir + "/0.json")
             == "DIR/16.json:1:13: cannot include 'DIR/17.json': more than 16 "
                "files deep");
}

BOOST_AUTO_TEST_CASE(a_replica_cannot_take_a_name_of_another_file) {
  write("b.json", R"({"processes": {"web.1": {"command": "x"}}})");
  auto path = write("a.json", R"({"include": "b.json",
"processes": {"web": {"command": "x", "replicas": 1}}})");
  BOOST_TEST(problems_of(path)
             == "DIR/a.json:2:15: replica 1 of 'web': the name 'web.1' is "
                "taken by process 'web.1' at DIR/b.json:1:16");
}

BOOST_AUTO_TEST_SUITE_END()
