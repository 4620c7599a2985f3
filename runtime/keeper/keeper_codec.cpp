#include "runtime/keeper/keeper_codec.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace pm::keeper {

namespace {

class body_writer {
public:
  explicit body_writer(size_t size) { bytes_.reserve(size); }

  template <class T>
  void value(const T& x) {
    append(&x, sizeof(x));
  }

  void string(const std::string& x) { append(x.c_str(), x.size() + 1); }

  std::vector<std::byte> take() { return std::move(bytes_); }

private:
  void append(const void* from, size_t size) {
    auto first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + size);
  }

  std::vector<std::byte> bytes_;
};

// Sums the strings' sizes with their NULs; an error names the first bad one.
expected<size_t> strings_size(const spawn_order& order) {
  auto bad = [](const std::string& x) {
    return x.find('\0') != std::string::npos;
  };
  size_t result = order.working_dir.size() + 1;
  if (bad(order.working_dir))
    return fail(ec::invalid_argument, "working_dir: has a NUL inside");
  for (size_t i = 0; i < order.argv.size(); ++i) {
    if (bad(order.argv[i]))
      return fail(ec::invalid_argument, "argument {}: has a NUL inside", i);
    result += order.argv[i].size() + 1;
  }
  for (auto& x : order.environment) {
    if (bad(x))
      return fail(ec::invalid_argument, "environment '{}': has a NUL inside",
                  std::string_view{x}.substr(
                    0, x.find_first_of(std::string_view{"=\0", 2})));
    result += x.size() + 1;
  }
  if (bad(order.log_file) || order.log_file.size() > log_path_max)
    return fail(ec::invalid_argument,
                "log file: has a NUL inside, or is longer than {} bytes",
                log_path_max);
  if (!order.log_file.empty())
    result += order.log_file.size() + 1;
  if (!order.cgroup_file.empty())
    result += order.cgroup_file.size() + 1;
  return result;
}

expected<spawn_body> head_of(const spawn_order& order) {
  auto strings = strings_size(order);
  if (!strings)
    return tl::make_unexpected(strings.error());
  if (order.argv.empty())
    return fail(ec::invalid_argument, "argv: is empty");
  auto group_count = order.become.groups ? order.become.groups->size() : 0;
  if (order.argv.size() > strings_max || order.environment.size() > strings_max
      || *strings > spawn_body_max || group_count > groups_max
      || order.limits.size() > limits_max)
    return fail(ec::invalid_argument,
                "arguments and environment: {} bytes in {} strings is over "
                "the limit of {} bytes",
                *strings, order.argv.size() + order.environment.size(),
                spawn_body_max);
  spawn_body result;
  result.run_id = order.run_id.bytes();
  auto flag = [&](bool given, uint32_t bit) {
    result.flags |= given ? bit : 0;
  };
  flag(order.protect, spawn_protect);
  flag(order.stdin_pipe, spawn_stdin_pipe);
  flag(order.become.uid.has_value(), spawn_uid);
  flag(order.become.gid.has_value(), spawn_gid);
  flag(order.become.groups.has_value(), spawn_groups);
  flag(order.nice.has_value(), spawn_nice);
  flag(order.umask.has_value(), spawn_umask);
  flag(order.no_new_privs, spawn_no_new_privs);
  flag(!order.log_file.empty(), spawn_log);
  flag(!order.cgroup_file.empty(), spawn_cgroup);
  result.uid = order.become.uid.value_or(0);
  result.gid = order.become.gid.value_or(0);
  result.umask = static_cast<uint32_t>(order.umask.value_or(0));
  result.nice = order.nice.value_or(0);
  result.limit_count = static_cast<uint32_t>(order.limits.size());
  result.group_count = static_cast<uint32_t>(group_count);
  result.argc = static_cast<uint32_t>(order.argv.size());
  result.envc = static_cast<uint32_t>(order.environment.size());
  result.strings_size = static_cast<uint32_t>(*strings);
  return result;
}

expected<unique_fd> sealed_memfd(std::span<const std::byte> content) {
  auto result =
    beyond_stdio(::memfd_create("pm-spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!result)
    return fail_errno(errno, "memfd_create");
  while (!content.empty()) {
    auto written = ::write(result.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return fail_errno(errno, "write to memfd");
    content = content.subspan(static_cast<size_t>(written));
  }
  constexpr auto seals =
    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(result.get(), F_ADD_SEALS, seals) != 0)
    return fail_errno(errno, "seal memfd");
  return result;
}

std::vector<std::byte> with_header(frame_type type, uint16_t flags,
                                   std::span<const std::byte> body) {
  frame_header head{static_cast<uint16_t>(type), flags,
                    static_cast<uint32_t>(sizeof(frame_header) + body.size())};
  body_writer writer{head.size};
  writer.value(head);
  auto result = writer.take();
  result.insert(result.end(), body.begin(), body.end());
  return result;
}

std::vector<std::byte> run_list(frame_type type, std::span<const run_id> runs) {
  body_writer writer{runs.size() * sizeof(run_key)};
  for (auto& run : runs.first(std::min(runs.size(), run_list_max)))
    writer.value(run.bytes());
  return with_header(type, 0, writer.take());
}

timestamp to_timestamp(int64_t us) {
  return timestamp{
    std::chrono::floor<milliseconds>(std::chrono::microseconds{us})};
}

constexpr bool same_number(refusal x, ec y) {
  return static_cast<uint32_t>(x) == static_cast<uint32_t>(y);
}
static_assert(same_number(refusal::protocol_violation, ec::protocol_violation));
static_assert(same_number(refusal::not_permitted, ec::not_permitted));
static_assert(same_number(refusal::not_supported, ec::not_supported));

// A keeper of a later version may have more codes.
ec refusal_code(uint32_t code) {
  auto last = static_cast<uint32_t>(ec::cancelled);
  return code <= last ? static_cast<ec>(code) : ec::keeper_failed;
}

expected<outgoing_frame> encode_order(frame_type type,
                                      const spawn_order& order) {
  auto head = head_of(order);
  if (!head)
    return tl::make_unexpected(head.error());
  body_writer writer{sizeof(spawn_body) + head->strings_size
                     + head->limit_count * sizeof(wire_limit)
                     + head->group_count * sizeof(uint32_t)};
  writer.value(*head);
  for (auto& x : order.limits)
    writer.value(
      wire_limit{static_cast<uint32_t>(x.resource), 0, x.soft, x.hard});
  if (order.become.groups)
    for (auto gid : *order.become.groups)
      writer.value(gid);
  writer.string(order.working_dir);
  for (auto& x : order.argv)
    writer.string(x);
  for (auto& x : order.environment)
    writer.string(x);
  if (!order.cgroup_file.empty())
    writer.string(order.cgroup_file);
  if (!order.log_file.empty())
    writer.string(order.log_file);
  auto body = writer.take();
  if (body.size() > spawn_body_max)
    return fail(ec::invalid_argument,
                "arguments and environment: {} bytes is over the limit of {}",
                body.size(), spawn_body_max);
  outgoing_frame result;
  if (body.size() + sizeof(frame_header) <= frame_max) {
    result.bytes = with_header(type, 0, body);
    return result;
  }
  auto memfd = sealed_memfd(body);
  if (!memfd)
    return tl::make_unexpected(memfd.error());
  result.bytes = with_header(type, body_in_memfd, {});
  result.body = std::move(*memfd);
  return result;
}

} // namespace

run_report to_report(frame_type occasion, const report_body& body) {
  run_report result;
  result.occasion = occasion;
  result.run_id = run_id{body.run_id};
  result.pid = body.pid;
  result.start_ticks = body.start_ticks;
  result.spawned_at = to_timestamp(body.spawned_us);
  result.outcome = body.outcome;
  result.stage = body.stage;
  result.detail = body.detail;
  result.stdin_pipe = (body.flags & report_stdin_pipe) != 0;
  result.is_protected = (body.flags & report_protected) != 0;
  result.has_stdout = (body.flags & report_no_stdout) == 0;
  result.has_stderr = (body.flags & report_no_stderr) == 0;
  result.moved_bytes = body.moved_bytes;
  result.dropped_bytes = body.dropped_bytes;
  if (body.outcome != outcome::live) {
    result.ended_at = to_timestamp(body.ended_us);
    // Unsigned: no difference of two foreign numbers may overflow.
    auto us = static_cast<uint64_t>(body.ended_us)
              - static_cast<uint64_t>(body.spawned_us);
    result.duration = std::chrono::microseconds{static_cast<int64_t>(us)};
  }
  if (body.outcome == outcome::exited)
    result.exit = exit_status{exit_reason::exited, body.value, std::nullopt};
  else if (body.outcome == outcome::signaled)
    result.exit = exit_status{exit_reason::signaled, std::nullopt, body.value};
  else if (body.outcome == outcome::failed)
    result.error_number = body.value;
  return result;
}

expected<outgoing_frame> encode_spawn(const spawn_order& order) {
  return encode_order(frame_type::spawn, order);
}

// The child takes all three of its descriptors from what came with it.
expected<outgoing_frame> encode_respawn(spawn_order order) {
  order.protect = false;
  order.stdin_pipe = true;
  return encode_order(frame_type::respawn, order);
}

std::vector<std::byte> encode_hello() {
  hello_body body{version_min, version_max, 0};
  return with_header(frame_type::hello, 0, std::as_bytes(std::span{&body, 1}));
}

std::vector<std::byte> encode_goodbye() {
  return with_header(frame_type::goodbye, 0, {});
}

std::vector<std::byte> encode_table_more() {
  return with_header(frame_type::table_more, 0, {});
}

std::vector<std::byte> encode_ready() {
  return with_header(frame_type::ready, 0, {});
}

std::vector<std::byte> encode_acknowledge(std::span<const run_id> runs) {
  return run_list(frame_type::acknowledge, runs);
}

std::vector<std::byte> encode_close_stdin(std::span<const run_id> runs) {
  return run_list(frame_type::close_stdin, runs);
}

std::vector<std::byte> encode_replace(const std::string& path) {
  body_writer writer{path.size() + 1};
  writer.string(path);
  return with_header(frame_type::replace, 0, writer.take());
}

std::vector<std::byte> encode_set_log(const run_id& run,
                                      const std::string& path) {
  body_writer writer{sizeof(run_key) + path.size() + 1};
  writer.value(run.bytes());
  writer.string(path);
  return with_header(frame_type::set_log, 0, writer.take());
}

std::vector<std::byte> encode_hold(const hold_order& order) {
  report_body body;
  body.run_id = order.run_id.bytes();
  body.pid = order.pid;
  body.start_ticks = order.start_ticks;
  body.spawned_us = std::chrono::duration_cast<std::chrono::microseconds>(
                      order.spawned_at.time_since_epoch())
                      .count();
  body.flags = (order.has_stdin ? report_stdin_pipe : 0u)
               | (order.is_protected ? report_protected : 0u)
               | (order.has_stdout ? 0u : report_no_stdout)
               | (order.has_stderr ? 0u : report_no_stderr);
  body_writer writer{sizeof(body) + order.log_file.size() + 1};
  writer.value(body);
  writer.string(order.log_file);
  return with_header(frame_type::hold, 0, writer.take());
}

expected<keeper_message> decode_message(std::span<const std::byte> frame) {
  auto head = decode_header(frame);
  if (!head)
    return fail(ec::protocol_violation, "keeper: a frame with a false size");
  auto type = static_cast<frame_type>(head->type);
  switch (type) {
  case frame_type::welcome:
    if (auto body = decode_welcome(frame))
      return keeper_message{welcome{body->version, body->keeper_pid,
                                    body->live_count, body->ended_count}};
    break;
  case frame_type::held:
  case frame_type::spawned:
  case frame_type::spawn_failed:
  case frame_type::exited:
    if (auto body = decode_report(frame))
      return keeper_message{to_report(type, *body)};
    break;
  case frame_type::table_pause:
    return keeper_message{table_pause{}};
  case frame_type::table_end:
    return keeper_message{table_end{}};
  case frame_type::holding:
    if (decode_run_list(frame) == size_t{1})
      return keeper_message{holding{run_id{listed_run(frame, 0)}}};
    break;
  case frame_type::refused:
    if (auto view = decode_refused(frame))
      return keeper_message{
        error{refusal_code(view->code), std::string{view->text}}};
    break;
  default:
    break;
  }
  return fail(ec::protocol_violation,
              "keeper: a malformed frame of type {}, {} bytes", head->type,
              frame.size());
}

} // namespace pm::keeper
