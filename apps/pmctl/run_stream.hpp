#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "apps/pmctl/control_client.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

// Carries one streamed `run` between this process and the node: output and its
// credit, stdin, and signals. Nothing here waits on one side alone: a reader
// of our output that stands still holds up neither signals nor the end.
class run_stream {
public:
  // From the node's `started` on signals are blocked and passed to the child.
  // Without `is_command` there is no stdin, and all output goes to stderr: the
  // result of a call is alone on stdout. A terminal is spared control bytes.
  run_stream(control_client& node, int id, bool is_command);
  ~run_stream();

  run_stream(const run_stream&) = delete;
  run_stream& operator=(const run_stream&) = delete;

  // Works until the reply is there and all output is written. Errors: what the
  // node answered, unreachable, protocol_violation, system_failed.
  expected<control_message> finish();

private:
  struct output {
    std::string name;
    int fd = -1;
    std::string pending; // to be written
    size_t credit = 0;   // bytes behind `pending`, to be given back with it
    bool escapes = false;
    bool broken = false; // nobody takes it
    terminal_filter filter;
  };

  expected<void> take(control_message message);
  expected<void> take_output(const rapidjson::Value& params);
  expected<void> take_messages();
  expected<void> write_some(int which);
  expected<void> feed_stdin();
  expected<void> pass_signals();
  void catch_signals();
  expected<void> give_back(output& to);
  std::string about(std::string_view more) const;

  control_client& node_;
  int id_ = 0;
  int signals_ = -1;
  bool started_ = false;
  bool input_open_ = true;
  bool input_ready_ = true; // the node takes one more piece
  std::array<output, 2> outputs_;
  std::optional<control_message> reply_;
};

} // namespace pm::ctl
