#include <charconv>

#include <pm/notify.hpp>

namespace pm {

namespace {

// A time as sd_notify(3) has it, in whole milliseconds, never shorter.
std::optional<milliseconds> read_usec(std::string_view text) {
  uint64_t usec = 0;
  auto* end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, usec);
  constexpr uint64_t longest = 1000ull * 1000 * 3600 * 24 * 365;
  if (read.ec != std::errc{} || read.ptr != end || usec > longest)
    return std::nullopt;
  return milliseconds{(usec + 999) / 1000};
}

void take_line(std::string_view name, std::string_view value,
               notify_message& to) {
  using phase = notify_message::phase;
  if (name == "READY" && value == "1")
    to.now = phase::ready;
  else if (name == "RELOADING" && value == "1")
    to.now = phase::reloading;
  else if (name == "STOPPING" && value == "1")
    to.now = phase::stopping;
  else if (name == "WATCHDOG" && value == "1")
    to.is_alive = true;
  else if (name == "WATCHDOG" && value == "trigger")
    to.wants_restart = true;
  else if (name == "STATUS")
    to.status = value.substr(0, notify_status_max);
  else if (name == "EXTEND_TIMEOUT_USEC")
    to.extend = read_usec(value);
  else if (name == "MAINPID")
    to.refused = fmt::format("MAINPID={}", value.substr(0, 20));
}

} // namespace

notify_message parse_notify(std::string_view text) {
  notify_message result;
  while (!text.empty()) {
    auto row = text.substr(0, text.find('\n'));
    if (auto equals = row.find('='); equals != row.npos)
      take_line(row.substr(0, equals), row.substr(equals + 1), result);
    text.remove_prefix(std::min(text.size(), row.size() + 1));
  }
  return result;
}

void notify_message::merge(notify_message later) {
  if (later.now != phase::none)
    now = later.now;
  is_alive = is_alive || later.is_alive;
  wants_restart = wants_restart || later.wants_restart;
  if (later.status)
    status = std::move(later.status);
  if (later.extend)
    extend = later.extend;
  if (!later.refused.empty())
    refused = std::move(later.refused);
}

bool notify_inbox::put(notify_message what) {
  std::lock_guard guard{mutex_};
  if (waiting_) {
    waiting_->merge(std::move(what));
    return false;
  }
  waiting_ = std::move(what);
  return true;
}

notify_message notify_inbox::take() {
  std::lock_guard guard{mutex_};
  return std::exchange(waiting_, std::nullopt).value_or(notify_message{});
}

} // namespace pm
