#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include <dirent.h>
#include <unistd.h>

#include <pm/event_loop.hpp>

namespace pm::test {

using steady = std::chrono::steady_clock;

// A directory of its own, removed at the end.
class temp_dir {
public:
  temp_dir() {
    char name[] = "/tmp/pm-runtime-XXXXXX";
    if (::mkdtemp(name) == nullptr)
      throw std::runtime_error("mkdtemp");
    path_ = name;
  }

  ~temp_dir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  temp_dir(const temp_dir&) = delete;
  temp_dir& operator=(const temp_dir&) = delete;

  const std::string& path() const { return path_; }

  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

private:
  std::string path_;
};

// A loop that tests turn until something holds.
struct loop_fixture {
  std::unique_ptr<event_loop> loop = event_loop::make().value();

  // Turns the loop until `done`, for 20 s at most. Returns what it is then.
  bool run_until(const std::function<bool()>& done) {
    auto due = steady::now() + std::chrono::seconds{20};
    auto timer = loop->timer_at(due, [] {});
    while (!done() && steady::now() < due)
      loop->run_once(true);
    return done();
  }

  // Turns the loop for so long, whatever happens.
  void run_for(std::chrono::milliseconds time) {
    auto due = steady::now() + time;
    auto timer = loop->timer_at(due, [] {});
    while (steady::now() < due)
      loop->run_once(true);
  }
};

inline std::string read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// How many descriptors this process has open.
inline size_t open_descriptors() {
  size_t count = 0;
  auto* dir = ::opendir("/proc/self/fd");
  while (auto* entry = ::readdir(dir))
    count += entry->d_name[0] != '.';
  ::closedir(dir);
  return count - 1; // the directory itself
}

} // namespace pm::test
