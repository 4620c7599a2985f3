#pragma once

#include <filesystem>

#include "test/integration/writers_fixture.hpp"

namespace pm::test {

// One writer, and what happens to its log.
class trouble_fixture : public writers_fixture {
public:
  std::string log() const { return state_dir() + "/logs/w0.log"; }

  // Waits until the file at `path` has grown.
  void let_it_grow(const std::string& path) {
    auto size = [&] {
      std::error_code none;
      auto result = std::filesystem::file_size(path, none);
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
inline void trouble_fixture::flood(std::chrono::milliseconds how_long) {
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
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
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

} // namespace pm::test
