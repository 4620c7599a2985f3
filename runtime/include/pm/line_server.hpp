#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <pm/error.hpp>
#include <pm/event_loop.hpp>

// A unix stream socket on which both sides send lines: the ground that the
// control protocol stands on. Everything here belongs to the loop's thread.

namespace pm {

// Who is at the other end, by the kernel's word at the time of connecting.
struct peer_credentials {
  int pid = 0;
  unsigned uid = 0;
  unsigned gid = 0;
};

struct line_limits {
  size_t line_max = 16u << 20;  // bytes; a longer line ends the connection
  size_t connections_max = 256; // one more is closed at once
  size_t queue_max = 64u << 20; // bytes to be sent; beyond, the peer is dropped
};

// One connection. It lives as long as somebody holds it, but after
// `on_closed` all calls do nothing.
class line_connection {
public:
  virtual ~line_connection() = default;

  virtual const peer_credentials& peer() const noexcept = 0;

  // Queues `line` and a newline. A peer that lets more than `queue_max` pile
  // up is dropped (`on_closed` follows, not within this call).
  virtual void send(std::string_view line) = 0;

  // Bytes that are queued and not taken by the kernel yet.
  virtual size_t pending_bytes() const noexcept = 0;

  // Stops or continues reading; a peer that is not read waits.
  virtual void set_reading(bool on) = 0;

  // Ends the connection after all queued bytes; no more lines are told.
  virtual void close() = 0;

  virtual bool is_open() const noexcept = 0;

  // Whatever the user of the connection likes to keep with it.
  std::shared_ptr<void> context;
};

using line_connection_ptr = std::shared_ptr<line_connection>;

// What a line server tells; empty ones are passed over. All are called from
// the loop, never from within a call of the connection.
struct line_handlers {
  std::function<void(const line_connection_ptr&)> on_open;

  // A line without its newline; the view ends with the call.
  std::function<void(const line_connection_ptr&, std::string_view)> on_line;

  // All queued bytes have gone.
  std::function<void(const line_connection_ptr&)> on_drained;

  // The peer sends nothing more, but may still read (half-closed). Without
  // this handler the connection is closed after the queued bytes.
  std::function<void(const line_connection_ptr&)> on_end;

  // The last call about a connection; `ec::none` if it was closed in order,
  // protocol_violation for a line over the limit, busy for a full queue,
  // system_failed. Not called for what the server's destructor closes.
  std::function<void(const line_connection_ptr&, const error&)> on_closed;
};

// Listens on a path of any length, with mode 0600.
class line_server {
public:
  // Replaces a stale socket; one that somebody still serves is an error.
  // Errors: already_exists (served, or no socket is at `path`),
  // system_failed.
  static expected<std::unique_ptr<line_server>> listen(event_loop& loop,
                                                       const std::string& path,
                                                       line_handlers handlers,
                                                       line_limits limits = {});

  // Closes all connections at once and removes the socket.
  virtual ~line_server() = default;

  virtual size_t connection_count() const noexcept = 0;

  // Accepts no more; connections stay. The socket is removed.
  virtual void stop_listening() = 0;
};

} // namespace pm
