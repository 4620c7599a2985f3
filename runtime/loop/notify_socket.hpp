#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <pm/event_loop.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

// A datagram socket at a path, which its senders cannot lie to about who they
// are: the kernel tells their pid. Descriptors that come along are closed when
// the message has been told (which is what BARRIER=1 waits for). Belongs to the
// loop's thread.
class notify_socket {
public:
  using message_fn = std::function<void(int pid, std::string_view text)>;

  // Replaces a socket that somebody has left at `path`, which the caller owns.
  // With `is_shared` everybody may send. Errors: system_failed, already_exists
  // (something else is there), invalid_argument (the path is too long).
  static expected<std::unique_ptr<notify_socket>>
  listen(event_loop& loop, const std::string& path, bool is_shared,
         message_fn fn);

  // Removes the file.
  ~notify_socket();

  // True if senders can name a socket at `path`.
  static bool can_name(const std::string& path);

private:
  notify_socket(std::string path, message_fn fn);

  void read_some();
  bool read_one();

  std::string path_;
  message_fn fn_;
  unique_fd socket_;
  fd_watch watch_;
};

} // namespace pm
