#pragma once

#include <memory>
#include <sys/socket.h>

#include <pm/prober.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

// One attempt to connect, and for http_get to be answered. Lives until it has
// called `done`. Belongs to the loop's thread.
class socket_probe : public std::enable_shared_from_this<socket_probe> {
public:
  socket_probe(event_loop& loop, probe_spec what,
               std::function<void(probe_answer)> done);

  void begin();

  // Asks no further.
  void cancel();

private:
  void connect_to(const sockaddr_storage& address, unsigned size);
  void on_event(unsigned events);
  void send_request();
  void read_answer();
  void finish(bool good, std::string text);

  event_loop& loop_;
  probe_spec what_;
  std::function<void(probe_answer)> done_;
  unique_fd socket_;
  fd_watch watch_;
  loop_timer timer_;
  bool is_connected_ = false;
  std::string outgoing_;
  std::string incoming_;
};

} // namespace pm
