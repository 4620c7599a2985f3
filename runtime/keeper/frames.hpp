#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "runtime/keeper/protocol.hpp"
#include "runtime/os/unique_fd.hpp"

// One frame is one packet of a unix SEQPACKET socket. Neither function waits,
// raises SIGPIPE or allocates.

namespace pm::keeper {

// Descriptors that came with a frame; those not taken are closed.
struct frame_fds {
  std::array<unique_fd, frame_fds_max> fds;
  size_t count = 0;
  bool lost = false; // some did not fit into this process's limit

  // Takes the i-th out; none if it is not there.
  unique_fd take(size_t i) noexcept {
    return i < count ? std::move(fds[i]) : unique_fd{};
  }

  void clear() noexcept {
    for (auto& fd : fds)
      fd.reset();
    count = 0;
    lost = false;
  }
};

// Sends `frame` with copies of `fds`; the caller keeps its own. Returns 0 or
// errno: EAGAIN (would wait), ETOOMANYREFS (too many descriptors under way;
// try again), EPIPE or ECONNRESET (the peer is gone).
int send_frame(int socket, std::span<const std::byte> frame,
               std::span<const int> fds = {}) noexcept;

struct received {
  int error = 0;   // errno; EAGAIN: nothing there; EMSGSIZE: longer than buffer
  size_t size = 0; // bytes in the buffer; 0 without an error: the peer closed
};

// Receives one frame into `buffer` (frame_max bytes are always enough) and its
// descriptors, close-on-exec, into `fds` (whose old ones are closed). The
// header is checked by `decode_header`, not here.
received receive_frame(int socket, std::span<std::byte> buffer,
                       frame_fds& fds) noexcept;

} // namespace pm::keeper
