#include "test/integration/writers_fixture.hpp"

#include <filesystem>

// What can happen to a log while a process writes as fast as it can: it is
// never held up, and what is kept is whole.

using namespace pm::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct trouble_fixture : writers_fixture {
  std::string log() const { return state_dir() + "/logs/w0.log"; }

  // Waits until the file at `path` has grown.
  void let_it_grow(const std::string& path) {
    auto size = [&] {
      std::error_code none;
      auto result = fs::file_size(path, none);
      return none ? 0 : result;
    };
    auto before = size();
    BOOST_REQUIRE(wait_until([&] { return size() > before + 100'000; }));
  }

  // The writer ends by itself, with its code: nothing has held it up.
  void end_writer() {
    std::ofstream{stop_file()} << "stop";
    BOOST_REQUIRE(wait_for_status("w0", "stopped"));
    BOOST_TEST(show("w0")["exit_code"].GetInt() == 0);
    BOOST_TEST(show("w0")["restart_count"].GetInt() == 0);
  }

  long rss_kb(int pid) {
    std::istringstream in{read_file(fmt::format("/proc/{}/status", pid))};
    for (std::string word; in >> word;)
      if (word == "VmRSS:" && in >> word)
        return std::atol(word.c_str());
    return 0;
  }

  void flood(std::chrono::milliseconds how_long);
};

// Four processes write without a pause, into files that rotate.
void trouble_fixture::flood(std::chrono::milliseconds how_long) {
  std::string yes;
  for (int i = 0; i < 4; ++i)
    yes += fmt::format(R"("yes{}": {{"command": ["yes"], "log": )"
                       R"({{"size_max": "20MB", "files_max": 1}}}},)",
                       i);
  start_writers(1, 1, {}, yes);
  let_it_grow(log());
  auto before = rss_kb(pid_in("node.pid"));
  std::vector<std::chrono::microseconds> answers;
  for (auto end = clock::now() + how_long; clock::now() < end;) {
    auto from = clock::now();
    BOOST_TEST(ctl({"status", "w0"}).code == 0);
    answers.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
      clock::now() - from));
    std::this_thread::sleep_for(10ms);
  }
  auto grown = rss_kb(pid_in("node.pid")) - before;
  std::sort(answers.begin(), answers.end());
  BOOST_TEST_MESSAGE("four floods: the node grew by "
                     << grown << " KB; status took "
                     << answers[answers.size() / 2].count() << " us, p99 "
                     << answers[answers.size() * 99 / 100].count() << " us");
  BOOST_TEST(grown < 64 * 1024);
  for (int i = 0; i < 4; ++i)
    BOOST_TEST(ctl({"stop", "--force", fmt::format("yes{}", i)}).code == 0);
  end_writer();
  auto [first, next] = numbers_in(log());
  BOOST_TEST(first == 0);
  BOOST_TEST(next > 1000);
}

} // namespace

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
