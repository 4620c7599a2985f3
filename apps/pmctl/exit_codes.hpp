#pragma once

#include <string_view>

#include <pm/error.hpp>
#include <pm/record.hpp>

// What pmctl's exit code says; scripts rely on every number here.

namespace pm::ctl {

enum exit_code : int {
  done = 0,
  failed = 1,
  usage = 2,
  not_permitted = 4,
  no_such_process = 5,
  bad_config = 6,
  unreachable = 7,
  timed_out = 124,      // `run`, `wait`
  own_failure = 125,    // `run`, `wait`: pm failed, not the child
  cannot_execute = 126, // `run`, `wait`: as the shell
  not_found = 127,      // `run`, `wait`: as the shell
  signal_base = 128,
};

// The code for a failed request of any verb but `run`, `wait` and `status`.
int exit_code_for(const error& why);

// The code for a failed `run` or `wait`.
int run_exit_code_for(const error& why);

// The code for a run that ended as `how`; `text` is why it could not begin,
// where it could not.
int run_exit_code(const exit_status& how, std::string_view text);

// The same from a view; 0 for a process that has not ended.
int run_exit_code(const process_view& x);

// The code of `status`, after the LSB: 0 running or stopping, 1 lost, 3 not
// running, 4 unknown.
int lsb_exit_code(const process_view& x);

} // namespace pm::ctl
