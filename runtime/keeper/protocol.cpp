#include "runtime/keeper/protocol.hpp"

#include <cstring>
#include <type_traits>

namespace pm::keeper {

namespace {

using bytes = std::span<const std::byte>;

// What is on the wire must have no padding and no surprises.
static_assert(sizeof(frame_header) == 8);
static_assert(sizeof(hello_body) == 8);
static_assert(sizeof(welcome_body) == 16);
static_assert(sizeof(spawn_body) == 56);
static_assert(sizeof(wire_limit) == 24);
static_assert(sizeof(report_body) == report_size_v1 + 16);
static_assert(sizeof(refused_body) == 8);
static_assert(std::is_trivially_copyable_v<spawn_body>);
static_assert(std::is_trivially_copyable_v<report_body>);

template <class T>
T read_at(bytes from, size_t offset) noexcept {
  T result;
  std::memcpy(&result, from.data() + offset, sizeof(T));
  return result;
}

// The body of a frame that is exactly a header and a T.
template <class T>
std::optional<T> decode_fixed(bytes frame) noexcept {
  if (!decode_header(frame) || frame.size() != sizeof(frame_header) + sizeof(T))
    return std::nullopt;
  return read_at<T>(frame, sizeof(frame_header));
}

size_t encode_parts(std::span<std::byte> out, frame_type type, bytes body,
                    bytes tail = {}) noexcept {
  auto size = sizeof(frame_header) + body.size() + tail.size();
  if (size > out.size())
    return 0;
  frame_header head{static_cast<uint16_t>(type), 0,
                    static_cast<uint32_t>(size)};
  std::memcpy(out.data(), &head, sizeof(head));
  auto at = out.data() + sizeof(head);
  if (!body.empty())
    std::memcpy(at, body.data(), body.size());
  if (!tail.empty())
    std::memcpy(at + body.size(), tail.data(), tail.size());
  return size;
}

template <class T>
bytes bytes_of(const T& x) noexcept {
  return std::as_bytes(std::span{&x, 1});
}

size_t count_strings(const char* from, size_t size) noexcept {
  size_t result = 0;
  auto end = from + size;
  while (from != end) {
    auto nul = std::memchr(from, 0, static_cast<size_t>(end - from));
    from = static_cast<const char*>(nul) + 1;
    ++result;
  }
  return result;
}

// The path that ends a frame, with its NUL, from `at` on.
std::optional<std::string_view> path_behind(bytes frame, size_t at) noexcept {
  if (!decode_header(frame) || frame.size() <= at
      || frame.size() > at + log_path_max + 1)
    return std::nullopt;
  auto path = frame.subspan(at);
  auto first = reinterpret_cast<const char*>(path.data());
  if (path.back() != std::byte{0} || count_strings(first, path.size()) != 1)
    return std::nullopt;
  return std::string_view{first, path.size() - 1};
}

} // namespace

std::string_view to_string(spawn_stage stage) noexcept {
  constexpr std::string_view names[] = {
    "none",         "keeper",      "clone",   "descriptors", "session",
    "limit",        "nice",        "groups",  "gid",         "uid",
    "no_new_privs", "working_dir", "signals", "exec",        "cgroup"};
  auto i = static_cast<size_t>(stage);
  return i < std::size(names) ? names[i] : "unknown";
}

wire_limit limit_at(const spawn_view& view, size_t i) noexcept {
  return read_at<wire_limit>(view.limits, i * sizeof(wire_limit));
}

uint32_t group_at(const spawn_view& view, size_t i) noexcept {
  return read_at<uint32_t>(view.groups, i * sizeof(uint32_t));
}

std::string_view log_path_of(const spawn_view& view) noexcept {
  if ((view.body.flags & spawn_log) == 0)
    return {};
  // The last string: from the NUL before it to its own.
  std::string_view all{view.strings, view.body.strings_size - 1};
  return all.substr(all.rfind('\0') + 1);
}

std::optional<frame_header> decode_header(bytes frame) noexcept {
  if (frame.size() < sizeof(frame_header) || frame.size() > frame_max)
    return std::nullopt;
  auto head = read_at<frame_header>(frame, 0);
  if (head.size != frame.size())
    return std::nullopt;
  return head;
}

std::optional<hello_body> decode_hello(bytes frame) noexcept {
  auto body = decode_fixed<hello_body>(frame);
  if (!body || body->version_min > body->version_max)
    return std::nullopt;
  return body;
}

std::optional<welcome_body> decode_welcome(bytes frame) noexcept {
  return decode_fixed<welcome_body>(frame);
}

std::optional<report_body> decode_report(bytes frame) noexcept {
  constexpr auto size = sizeof(frame_header) + sizeof(report_body);
  constexpr auto size_v1 = sizeof(frame_header) + report_size_v1;
  if (!decode_header(frame)
      || (frame.size() != size && frame.size() != size_v1))
    return std::nullopt;
  report_body body;
  std::memcpy(&body, frame.data() + sizeof(frame_header),
              frame.size() - sizeof(frame_header));
  if (body.outcome > outcome::lost || body.stage > spawn_stage::exec)
    return std::nullopt;
  return body;
}

std::optional<spawn_view> decode_spawn_body(bytes body) noexcept {
  if (body.size() < sizeof(spawn_body) || body.size() > spawn_body_max)
    return std::nullopt;
  spawn_view result;
  result.body = read_at<spawn_body>(body, 0);
  auto& head = result.body;
  if (head.limit_count > limits_max || head.group_count > groups_max
      || head.argc < 1 || head.argc > strings_max || head.envc > strings_max)
    return std::nullopt;
  // No overflow: every count is bounded above.
  auto limits_size = head.limit_count * sizeof(wire_limit);
  auto groups_size = head.group_count * sizeof(uint32_t);
  auto rest = body.subspan(sizeof(spawn_body));
  if (rest.size() != limits_size + groups_size + head.strings_size)
    return std::nullopt;
  result.limits = rest.first(limits_size);
  result.groups = rest.subspan(limits_size, groups_size);
  auto strings = rest.subspan(limits_size + groups_size);
  if (strings.empty() || strings.back() != std::byte{0})
    return std::nullopt;
  result.strings = reinterpret_cast<const char*>(strings.data());
  // working_dir, argc arguments, envc variables, the cgroup's path, the log's.
  auto paths = ((head.flags & spawn_log) != 0 ? 1u : 0u)
               + ((head.flags & spawn_cgroup) != 0 ? 1u : 0u);
  if (count_strings(result.strings, strings.size())
      != size_t{1} + head.argc + head.envc + paths)
    return std::nullopt;
  return result;
}

std::optional<size_t> decode_run_list(bytes frame) noexcept {
  if (!decode_header(frame))
    return std::nullopt;
  auto size = frame.size() - sizeof(frame_header);
  if (size % sizeof(run_key) != 0 || size / sizeof(run_key) > run_list_max)
    return std::nullopt;
  return size / sizeof(run_key);
}

run_key listed_run(bytes frame, size_t i) noexcept {
  return read_at<run_key>(frame, sizeof(frame_header) + i * sizeof(run_key));
}

std::optional<log_view> decode_set_log(bytes frame) noexcept {
  constexpr auto path_at = sizeof(frame_header) + sizeof(run_key);
  auto path = path_behind(frame, path_at);
  if (!path)
    return std::nullopt;
  return log_view{read_at<run_key>(frame, sizeof(frame_header)), *path};
}

std::optional<hold_view> decode_hold(bytes frame) noexcept {
  constexpr auto path_at = sizeof(frame_header) + sizeof(report_body);
  auto path = path_behind(frame, path_at);
  if (!path)
    return std::nullopt;
  hold_view result{read_at<report_body>(frame, sizeof(frame_header)), *path};
  if (result.body.outcome != outcome::live || result.body.pid <= 0)
    return std::nullopt;
  return result;
}

std::optional<std::string_view> decode_replace(bytes frame) noexcept {
  auto path = path_behind(frame, sizeof(frame_header));
  return path && path->starts_with('/') ? path : std::nullopt;
}

std::optional<refusal_view> decode_refused(bytes frame) noexcept {
  constexpr auto text_at = sizeof(frame_header) + sizeof(refused_body);
  if (!decode_header(frame) || frame.size() < text_at)
    return std::nullopt;
  auto body = read_at<refused_body>(frame, sizeof(frame_header));
  if (body.text_size > refusal_text_max
      || body.text_size != frame.size() - text_at)
    return std::nullopt;
  auto text = reinterpret_cast<const char*>(frame.data() + text_at);
  return refusal_view{body.code, {text, body.text_size}};
}

size_t encode_bare(std::span<std::byte> out, frame_type type) noexcept {
  return encode_parts(out, type, {});
}

size_t encode_hello(std::span<std::byte> out, const hello_body& body) noexcept {
  return encode_parts(out, frame_type::hello, bytes_of(body));
}

size_t encode_welcome(std::span<std::byte> out,
                      const welcome_body& body) noexcept {
  return encode_parts(out, frame_type::welcome, bytes_of(body));
}

size_t encode_report(std::span<std::byte> out, frame_type type,
                     const report_body& body, int version) noexcept {
  auto all = bytes_of(body);
  return encode_parts(out, type, version < 2 ? all.first(report_size_v1) : all);
}

size_t encode_holding(std::span<std::byte> out, const run_key& run) noexcept {
  return encode_parts(out, frame_type::holding, bytes_of(run));
}

size_t encode_refused(std::span<std::byte> out, refusal code,
                      std::string_view text) noexcept {
  if (text.size() > refusal_text_max)
    text.remove_suffix(text.size() - refusal_text_max);
  refused_body body{static_cast<uint32_t>(code),
                    static_cast<uint32_t>(text.size())};
  return encode_parts(out, frame_type::refused, bytes_of(body),
                      std::as_bytes(std::span{text.data(), text.size()}));
}

} // namespace pm::keeper
