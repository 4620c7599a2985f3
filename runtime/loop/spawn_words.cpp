#include "runtime/loop/spawn_words.hpp"

#include <system_error>

namespace pm {

namespace {

// What was tried in this stage, with its value.
std::string subject_of(const spawn_request& what,
                       const keeper::run_report& report) {
  using keeper::spawn_stage;
  switch (report.stage) {
  case spawn_stage::exec:
    return what.argv.empty() ? "exec" : what.argv.front();
  case spawn_stage::working_dir:
    return "working_dir " + what.working_dir;
  case spawn_stage::limit: {
    auto name = rlimit_name(static_cast<int>(report.detail));
    for (auto& x : what.limits)
      if (x.name == name && x.hard)
        return fmt::format("limit {} {}", name, *x.hard);
    return "limit " + name;
  }
  case spawn_stage::nice:
    return fmt::format("nice {}", what.nice.value_or(0));
  case spawn_stage::groups:
  case spawn_stage::uid:
    return fmt::format("user '{}'", what.user);
  case spawn_stage::gid:
    return what.group.empty() ? fmt::format("user '{}'", what.user)
                              : fmt::format("group '{}'", what.group);
  default:
    return std::string{to_string(report.stage)};
  }
}

} // namespace

expected<keeper::spawn_order> order_of(const spawn_request& what,
                                       credentials become) {
  auto limits = resolve_limits(what.limits);
  if (!limits)
    return tl::make_unexpected(limits.error());
  keeper::spawn_order result;
  result.run_id = what.run_id;
  result.argv = what.argv;
  result.environment = what.environment;
  result.working_dir = what.working_dir;
  if (what.output == output_mode::log)
    result.log_file = what.log_file;
  result.become = std::move(become);
  result.umask = what.umask;
  result.nice = what.nice;
  result.limits = std::move(*limits);
  result.protect = what.protect;
  result.stdin_pipe = what.stdin_pipe || what.input;
  return result;
}

error spawn_error(const spawn_request& what, const keeper::run_report& report) {
  auto words = std::generic_category().message(report.error_number);
  return {ec::spawn_failed, fmt::format("spawn '{}': {}: {}", what.handle_id,
                                        subject_of(what, report), words)};
}

error spawn_error(const spawn_request& what, const error& why) {
  auto code = why.code == ec::system_failed || why.code == ec::invalid_argument
                ? ec::spawn_failed
                : why.code;
  return {code, fmt::format("spawn '{}': {}", what.handle_id, why.text)};
}

} // namespace pm
