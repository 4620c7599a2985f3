#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <pm/error.hpp>
#include <pm/units.hpp>

#include "apps/pmctl/control_message.hpp"

// The client's end of the control protocol (apps/control.md).

namespace pm::ctl {

// Where to find the node.
struct control_address {
  std::string socket;    // path
  std::string state_dir; // empty: not known
};

// A connection to the node. Used by one thread; every call may block.
class control_client {
public:
  using deadline = std::optional<std::chrono::steady_clock::time_point>;

  // Longest line, both ways.
  static constexpr size_t line_max = 16u << 20;

  // Errors: unreachable, with what to do about it; not_permitted.
  static expected<control_client> connect(const control_address& where);

  control_client(control_client&& other) noexcept;
  control_client& operator=(control_client&&) = delete;
  ~control_client();

  // Sends a request with `params`, a JSON object, and returns its id. Errors:
  // unreachable (the node is gone), invalid_argument (too long).
  expected<int> request(std::string_view method, std::string_view params);

  // Sends a notification.
  expected<void> notify(std::string_view method, std::string_view params);

  // Waits for the next line. Errors: unreachable (the node is gone), timeout,
  // protocol_violation.
  expected<control_message> receive(deadline until = std::nullopt);

  // Takes a line that is there already, or what can be read without waiting.
  // Nothing if that is no whole line yet. Errors as `receive`.
  expected<std::optional<control_message>> poll();

  // Sends a request and waits for its reply; other lines are passed over.
  // Errors: what the node answered, and those of `request` and `receive`.
  expected<control_message> call(std::string_view method,
                                 std::string_view params,
                                 deadline until = std::nullopt);

  // Readable when something has come.
  int fd() const noexcept { return fd_; }

private:
  control_client(int fd, std::string path);

  expected<void> send_line(const std::string& line);
  std::optional<std::string_view> next_line();
  // Reads once; false if nothing was there (`wait` false).
  expected<bool> read_some(bool wait);
  expected<control_message> read_message(std::string_view line) const;
  tl::unexpected<error> gone() const;
  tl::unexpected<error> too_long() const;

  int fd_ = -1;
  std::string path_;
  std::string input_;
  size_t begin_ = 0;   // of the first line in input_ not yet taken
  size_t scanned_ = 0; // no line end before
  int last_id_ = 0;
};

} // namespace pm::ctl
