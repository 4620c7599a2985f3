#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/record.hpp>

#include "apps/pmctl/control_client.hpp"
#include "apps/pmctl/render_table.hpp"
#include "apps/pmctl/request_params.hpp"

namespace pm::ctl {

// What may stand before or after any verb.
struct global_options {
  std::string state_dir;
  std::string socket;
  bool json = false;
  bool quiet = false;
  bool no_color = false;
  bool wait = true;
  std::optional<milliseconds> timeout;
  std::string correlation_id;
};

// One call of pmctl: its options, its terminal, its connection.
class session {
public:
  global_options options;
  std::vector<std::string> tail; // what stands after "--"

  // Looks at standard output and the environment; call it once, when the
  // options are there.
  void prepare();

  // How standard output may look.
  const look& shown() const noexcept { return shown_; }

  const control_address& address() const noexcept { return address_; }

  // The connection, made at its first use. Errors: unreachable,
  // not_permitted.
  expected<control_client*> node();

  // Connects anew after the connection has ended, and tries for some seconds
  // or until then: a node that has died is back soon, if somebody starts it
  // again. Errors: as `node`.
  expected<control_client*> node_again(control_client::deadline until = {});

  // Params with what the global options say.
  request_params params() const;

  // Asks the node and waits for the answer, for `--timeout` at most; asks the
  // next node where this one dies meanwhile. Errors: those of
  // `control_client`, and what the node says.
  expected<control_message> call(std::string_view method,
                                 request_params& params);

  // Writes to standard output, all of it; a write that fails ends the program
  // with code 1.
  static void emit(std::string_view text);

  // Writes "pmctl: <text>" to standard error, fit for a terminal.
  static void complain(std::string_view text);

  // Writes lines to standard error as they are; they must be printable.
  static void complain_bare(std::string_view lines);

  // Complains and returns the verb's exit code.
  static int refuse(const error& why);

private:
  look shown_;
  control_address address_;
  std::optional<control_client> client_;
};

// Reads one view out of a reply. Errors: format_refused.
expected<process_view> view_of(const rapidjson::Value& x);

// Reads an array of views. Errors: format_refused.
expected<std::vector<process_view>> views_of(const rapidjson::Value& x);

// `x` as one line of JSON with its end.
std::string json_line(const rapidjson::Value& x);

// The present time, for ages.
timestamp time_now();

// True if `name` is a pattern and not a name.
bool is_glob(std::string_view name);

} // namespace pm::ctl
