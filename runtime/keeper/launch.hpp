#pragma once

#include <chrono>
#include <string>

#include <pm/error.hpp>

#include "runtime/os/unique_fd.hpp"

// How a node comes to its keeper. All of these wait; none of them touches the
// host's signal handlers, its SIGCHLD or what its wait(2) calls see.

namespace pm::keeper {

// Connects to the keeper of `state_dir` (any length of path). The socket is
// SEQPACKET, nonblocking, close-on-exec; nothing has been said on it yet: send
// encode_hello() first. Errors: unreachable (no keeper is listening), busy
// (many others wait for it), system_failed.
expected<unique_fd> connect_keeper(const std::string& state_dir);

struct keeper_start {
  std::string state_dir;
  std::string binary;                       // empty: looked up by find_keeper
  std::chrono::milliseconds deadline{5000}; // of each step
  // The soft limit of descriptors for the keeper's children, where this process
  // has raised its own since; 0: as this process has it.
  uint64_t nofile_soft = 0;
};

// Starts a keeper, detached from this process (own session, reparented), waits
// until it is ready, and connects to it. Errors: keeper_failed, naming the
// binary and the keeper's own words (for instance that another one holds the
// directory); unreachable, if it has died meanwhile.
expected<unique_fd> start_keeper(const keeper_start& how);

// Connects to the running keeper, or starts one.
expected<unique_fd> connect_or_start_keeper(const keeper_start& how);

// Finds the program: `binary` if given, $PM_KEEPER, beside /proc/self/exe,
// the directory it was installed to, $PATH. Errors: keeper_failed, with the
// places that were tried.
expected<std::string> find_keeper(const std::string& binary);

// The pid and a pidfd of the process at the other end of `socket`. The pidfd
// is what proves the keeper's death. Errors: system_failed.
struct peer {
  int pid = 0;
  unsigned uid = 0;
  unique_fd pidfd;
};
expected<peer> peer_of(int socket);

} // namespace pm::keeper
