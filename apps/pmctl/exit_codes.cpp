#include "apps/pmctl/exit_codes.hpp"

#include <algorithm>
#include <string>

namespace pm::ctl {

namespace {

// Tells what a shell would say to "spawn 'web': /opt/web: no such file or
// directory". What failed before exec ("working_dir /nope: ...") is not about
// the program.
int spawn_exit_code(std::string_view text) {
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (auto stage :
       {"': working_dir", "': user", "': group", "': umask", "': nice",
        "': limit", "': log", "': environment", "': pipe", "': keeper"})
    if (lower.find(stage) != std::string::npos)
      return own_failure;
  auto says = [&](std::string_view words) {
    return lower.find(words) != std::string::npos;
  };
  if (says("no such file"))
    return not_found;
  if (says("permission denied") || says("exec format") || says("text file busy")
      || says("is a directory") || says("not a directory")
      || says("argument list too long") || says("operation not permitted"))
    return cannot_execute;
  return own_failure;
}

} // namespace

int exit_code_for(const error& why) {
  switch (why.code) {
  case ec::no_such_process:
    return no_such_process;
  case ec::not_permitted:
    return not_permitted;
  case ec::bad_config:
    return bad_config;
  case ec::unreachable:
    return unreachable;
  default:
    return failed;
  }
}

int run_exit_code_for(const error& why) {
  switch (why.code) {
  case ec::spawn_failed:
    return spawn_exit_code(why.text);
  case ec::timeout:
    return timed_out;
  default:
    return own_failure;
  }
}

int run_exit_code(const exit_status& how, std::string_view text) {
  switch (how.reason) {
  case exit_reason::exited:
    return how.code.value_or(own_failure);
  case exit_reason::signaled:
    return how.signal ? signal_base + *how.signal : int{own_failure};
  case exit_reason::timeout:
    return timed_out;
  case exit_reason::spawn_failed:
    return spawn_exit_code(text);
  case exit_reason::lost:
    break;
  }
  return own_failure;
}

int run_exit_code(const process_view& x) {
  auto between_runs = x.status == status::pending && x.next_run_at && x.reason;
  if (x.status != status::stopped && x.status != status::failed
      && !between_runs)
    return done;
  // Stopped before it ever ran.
  if (!x.reason)
    return x.status == status::stopped ? done : own_failure;
  exit_status how{*x.reason, x.exit_code, std::nullopt};
  if (x.exit_signal)
    if (auto number = parse_signal(*x.exit_signal))
      how.signal = *number;
  return run_exit_code(how, x.status_text);
}

int lsb_exit_code(const process_view& x) {
  switch (x.status) {
  case status::running:
  case status::stopping:
    return 0;
  case status::unknown:
    return 4;
  case status::failed:
    return x.reason == exit_reason::lost ? 1 : 3;
  default:
    return 3;
  }
}

} // namespace pm::ctl
