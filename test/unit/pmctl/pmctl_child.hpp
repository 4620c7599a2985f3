#pragma once

#include <functional>
#include <string>
#include <vector>

namespace pm::test {

// What came of a pmctl that a test has run.
struct child_outcome {
  int code = -1; // 128+N for a signal
  std::string out;
  std::string err;
};

struct child_options {
  std::string input;                    // for its stdin, which then ends
  std::vector<std::string> environment; // on top of the test's
  bool terminal = false;                // stdout is a terminal of 60 columns
  // Called once, with its pid, when its stdout has held `when`.
  std::string when;
  std::function<void(int pid)> then;
};

// Runs the real pmctl to its end, for 20 seconds at most; a longer one is
// killed, and the test fails.
child_outcome run_pmctl(const std::vector<std::string>& arguments,
                        const child_options& options = {});

// The same for any program; argv[0] is its path.
child_outcome run_child(const std::vector<std::string>& argv,
                        const child_options& options = {});

} // namespace pm::test
