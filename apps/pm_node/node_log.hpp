#pragma once

#include <string>
#include <string_view>

#include <pm/error.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

enum class log_level : uint8_t { debug, info, warning, error };

// The node's own log: stderr, and `node.log` in the state directory. A line is
// one write; nothing is buffered. When the file has grown to 10 MiB, it is put
// aside as `node.log.1` at the next start. Usable from any thread.
class node_log {
public:
  // Errors: system_failed (the file cannot be opened).
  static expected<node_log> open(const std::string& state_dir,
                                 log_level stderr_level);

  // Writes "<time> <level> <text>"; control bytes in `text` become spaces.
  void line(log_level level, std::string_view text);

private:
  unique_fd file_;
  log_level stderr_level_ = log_level::info;
};

} // namespace pm
