#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/keeper/frames.hpp"
#include "runtime/keeper/keeper_codec.hpp"
#include "runtime/keeper/launch.hpp"
#include "runtime/os/proc.hpp"

namespace pm::test {

constexpr std::chrono::seconds patience{20};

// Asks `condition` until it is true; false after `patience`.
bool eventually(const std::function<bool()>& condition);

// A state directory of its own, removed at the end.
class state_dir {
public:
  state_dir();
  ~state_dir();

  const std::string& path() const { return path_; }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

std::string bin(const std::string& name);
std::string child(const std::string& name);
std::string read_file(const std::string& path);

// A run's ends as the node holds them.
struct pipe_ends {
  unique_fd stdout_r;
  unique_fd stderr_r;
  unique_fd stdin_w;
};

// One message with its descriptors.
struct incoming {
  keeper::keeper_message message;
  std::vector<unique_fd> fds;
};

// The node's side of the socket, one message at a time. Throws what a test
// should not survive.
class keeper_client {
public:
  // Says hello on `socket` and reads the table.
  explicit keeper_client(unique_fd socket);

  // Sends a spawn with pipes of its own; the ends are in `pipes`.
  run_id spawn(keeper::spawn_order order);

  // Sends one frame as it is.
  void send(const std::vector<std::byte>& bytes,
            const std::vector<int>& fds = {});

  // The next message; none when the keeper has closed the socket.
  std::optional<incoming> receive();

  // The next message, which must be a report.
  keeper::run_report report();

  // The report of this occasion for this run; others are kept in `reports`.
  keeper::run_report wait_for(const run_id& run, keeper::frame_type occasion);

  // Spawns, waits for the end, and returns what was written to stdout.
  std::string output_of(keeper::spawn_order order);

  void acknowledge(const std::vector<run_id>& runs);

  // Sends goodbye and waits for the keeper to close.
  void goodbye();

  int socket() const { return socket_.get(); }

  void drop() { socket_.reset(); }

  keeper::welcome welcome;
  std::vector<keeper::run_report> held;
  std::map<run_id, pipe_ends> pipes;
  std::map<run_id, unique_fd> pidfds;
  std::vector<keeper::run_report> reports; // not yet waited for

private:
  void take_table();

  unique_fd socket_;
};

// Reads to the end of `fd`, which must come within `patience`.
std::string read_to_end(int fd);

// Reads until `text` ends with a newline.
std::string read_line(int fd);

// An order with a fresh run id and no environment.
keeper::spawn_order order_of(std::vector<std::string> argv);

// A keeper with its directory; ends the keeper at the end.
class keeper_fixture {
public:
  keeper_fixture();
  ~keeper_fixture();

  keeper_client connect();

  // Closes the connection that `connect` would give first.
  void drop_first() { first_.reset(); }

  state_dir dir;
  int pid = 0;
  unique_fd pidfd;

private:
  unique_fd first_;
};

size_t descriptor_count(int pid);

// Children of `pid`, and how many of them are zombies.
struct child_counts {
  size_t all = 0;
  size_t zombies = 0;
};
child_counts children_of(int pid);

} // namespace pm::test
