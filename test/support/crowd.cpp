#include "test/support/crowd.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pm::test {

using namespace std::chrono_literals;

bool crowd_fixture::wait_for_running(size_t count) {
  return wait_until(
    [&] {
      return ctl_json({"list", "--status", "running"}).Size() == count;
    },
    60s);
}

std::string sleepers(int count) {
  std::string text = "{\"processes\": {";
  for (int i = 0; i < count; ++i)
    text += "\"s" + std::to_string(i)
            + "\": {\"command\": [\"sleep\", \"infinity\"]},";
  return text + "}}";
}

size_t descriptors(int pid) {
  std::filesystem::directory_iterator first{"/proc/" + std::to_string(pid)
                                            + "/fd"};
  return static_cast<size_t>(std::distance(first, {}));
}

long sleeps(int pid) {
  long count = 0;
  for (auto& task : std::filesystem::directory_iterator(
         "/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream in{task.path() / "status"};
    for (std::string line; std::getline(in, line);)
      if (line.find("voluntary_ctxt_switches:") == 0)
        count += std::atol(line.c_str() + line.find(':') + 1);
  }
  return count;
}

int zombies_of(int parent) {
  int count = 0;
  for (auto& x : std::filesystem::directory_iterator("/proc")) {
    auto stat = read_file(x.path() / "stat");
    auto paren = stat.rfind(')');
    if (paren == std::string::npos || paren + 4 > stat.size())
      continue;
    if (stat[paren + 2] == 'Z' && std::atoi(stat.c_str() + paren + 4) == parent)
      ++count;
  }
  return count;
}

} // namespace pm::test
