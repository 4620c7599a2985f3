#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <rapidjson/document.h>

// A real pm-node with its keeper on a temporary state directory, driven by the
// real pmctl.

namespace pm::test {

// How a program ended and what it wrote.
struct command_result {
  int code = -1; // 128+N for a signal
  std::string out;
  std::string err;
};

// Runs a program to its end; kills it after `deadline`.
command_result
run_command(const std::vector<std::string>& argv, const std::string& input = {},
            std::chrono::milliseconds deadline = std::chrono::seconds{60});

// Asks `holds` again and again until it is true; false after `deadline`.
bool wait_until(const std::function<bool()>& holds,
                std::chrono::milliseconds deadline = std::chrono::seconds{20});

// A directory of its own, removed with all that is in it.
class temporary_directory {
public:
  temporary_directory();
  ~temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

private:
  std::string path_;
};

std::string read_file(const std::string& path);

// True while a process of this pid exists that is no zombie.
bool process_exists(int pid);

class daemon_fixture {
public:
  daemon_fixture() = default;
  ~daemon_fixture();

  // Starts pm-node and waits until it answers. `config` is the text of a
  // configuration; empty: none.
  void start(const std::string& config = {},
             const std::vector<std::string>& more = {});

  // Sends the node a signal; waits until it has ended; its exit code.
  int end(int signal);

  // Waits until the node has ended by itself; its exit code.
  int wait_for_end();

  // Kills the node as a crash would; the keeper and the children live on.
  void crash();

  // Kills node and keeper for good; what lives on is the test's to end.
  void abandon();

  // Runs pmctl on this node.
  command_result ctl(std::vector<std::string> args,
                     const std::string& input = {});

  // The same, and the JSON that it printed; the code must be `code`.
  rapidjson::Document ctl_json(std::vector<std::string> args, int code = 0);

  // The view of one process.
  rapidjson::Document show(const std::string& name);
  std::string status_of(const std::string& name);
  int pid_of(const std::string& name);
  bool wait_for_status(const std::string& name, const std::string& status);

  std::string log_of(const std::string& name);

  // From the next start on the keeper starts a node again that has crashed;
  // `node_pid` is then that of the front, which stays.
  void let_it_respawn() { respawns_ = true; }

  int node_pid() const { return node_pid_; }
  int keeper_pid();
  std::string state_dir() const { return directory_.file("state"); }
  const temporary_directory& directory() const { return directory_; }
  std::string node_stderr() const;

private:
  temporary_directory directory_;
  int node_pid_ = -1;
  bool crashed_ = false;
  bool respawns_ = false;
};

// The path of a program of this build, and of a test child.
std::string program(const std::string& name);
std::string child(const std::string& name);

} // namespace pm::test
