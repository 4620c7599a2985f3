#include <csignal>

#include <sys/signalfd.h>

#include "runtime/loop/loop_impl.hpp"
#include "runtime/os/unique_fd.hpp"

// Descriptors, timers and signals on the loop.

namespace pm {

namespace {

// POLLPRI never comes from what pm watches, but having asked for it makes
// libuv tell of a hang-up.
int to_uv(unsigned events) noexcept {
  auto result = 0;
  if ((events & fd_event::readable) != 0)
    result |= UV_READABLE;
  if ((events & fd_event::writable) != 0)
    result |= UV_WRITABLE;
  if ((events & fd_event::hangup) != 0)
    result |= UV_PRIORITIZED;
  return result;
}

unsigned from_uv(int events) noexcept {
  unsigned result = 0;
  if ((events & UV_READABLE) != 0)
    result |= fd_event::readable;
  if ((events & UV_WRITABLE) != 0)
    result |= fd_event::writable;
  if ((events & UV_PRIORITIZED) != 0)
    result |= fd_event::hangup;
  return result;
}

void on_poll(uv_poll_t* poll, int status, int events) {
  auto* x = static_cast<fd_watch::state*>(static_cast<loop_handle*>(
    uv_handle_get_data(reinterpret_cast<uv_handle_t*>(poll))));
  x->fn(status < 0 ? x->events : from_uv(events));
}

void on_timer(uv_timer_t* timer) {
  auto* x = static_cast<loop_timer::state*>(static_cast<loop_handle*>(
    uv_handle_get_data(reinterpret_cast<uv_handle_t*>(timer))));
  x->fn();
}

} // namespace

void on_handle_closed(uv_handle_t* handle) {
  auto* x = static_cast<loop_handle*>(uv_handle_get_data(handle));
  if (x == nullptr)
    return;
  x->is_closed = true;
  if (!x->is_owned)
    delete x;
}

void disown(loop_handle* x) noexcept {
  if (x == nullptr)
    return;
  x->is_owned = false;
  if (x->is_closed)
    delete x;
  else if (!uv_is_closing(x->handle()))
    uv_close(x->handle(), on_handle_closed);
}

// -- descriptors --------------------------------------------------------------

fd_watch::fd_watch() noexcept = default;

fd_watch::fd_watch(state* owned) noexcept : state_(owned) {}

fd_watch::fd_watch(fd_watch&& other) noexcept
  : state_(std::exchange(other.state_, nullptr)) {}

fd_watch& fd_watch::operator=(fd_watch&& other) noexcept {
  if (this != &other)
    disown(std::exchange(state_, std::exchange(other.state_, nullptr)));
  return *this;
}

fd_watch::~fd_watch() {
  disown(state_);
}

void fd_watch::set(unsigned events) {
  if (state_ == nullptr || state_->is_closed)
    return;
  // Setting the same again would take it out of the poll set and put it back;
  // libuv itself stops a watch that has met an error.
  auto is_active = uv_is_active(state_->handle()) != 0;
  if (events == state_->events && is_active == (events != 0))
    return;
  state_->events = events;
  if (events == 0)
    uv_poll_stop(&state_->poll);
  else
    uv_poll_start(&state_->poll, to_uv(events), on_poll);
}

expected<fd_watch> event_loop::watch(int fd, unsigned events,
                                     std::function<void(unsigned)> fn) {
  auto x = std::make_unique<fd_watch::state>();
  if (auto error = uv_poll_init(&impl_->loop, &x->poll, fd); error != 0)
    return fail_errno(-error, fmt::format("watch descriptor {}", fd));
  uv_handle_set_data(x->handle(), static_cast<loop_handle*>(x.get()));
  x->fn = std::move(fn);
  fd_watch result{x.release()};
  result.set(events);
  return result;
}

// -- timers -------------------------------------------------------------------

loop_timer::loop_timer() noexcept = default;

loop_timer::loop_timer(state* owned) noexcept : state_(owned) {}

loop_timer::loop_timer(loop_timer&& other) noexcept
  : state_(std::exchange(other.state_, nullptr)) {}

loop_timer& loop_timer::operator=(loop_timer&& other) noexcept {
  if (this != &other)
    disown(std::exchange(state_, std::exchange(other.state_, nullptr)));
  return *this;
}

loop_timer::~loop_timer() {
  disown(state_);
}

void loop_timer::arm(std::chrono::steady_clock::time_point due) {
  if (state_ == nullptr || state_->is_closed)
    return;
  // libuv's clock is steady_clock in whole milliseconds, rounded down, and
  // read once a turn: an absolute deadline, rounded up, is never early.
  auto at =
    std::chrono::ceil<std::chrono::milliseconds>(due.time_since_epoch());
  auto now = uv_now(state_->timer.loop);
  auto at_ms = static_cast<uint64_t>(std::max<int64_t>(at.count(), 0));
  uv_timer_start(&state_->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

void loop_timer::cancel() {
  if (state_ != nullptr && !state_->is_closed)
    uv_timer_stop(&state_->timer);
}

loop_timer event_loop::timer(std::function<void()> fn) {
  auto x = std::make_unique<loop_timer::state>();
  uv_timer_init(&impl_->loop, &x->timer);
  uv_handle_set_data(x->handle(), static_cast<loop_handle*>(x.get()));
  x->fn = std::move(fn);
  return loop_timer{x.release()};
}

loop_timer event_loop::timer_at(std::chrono::steady_clock::time_point due,
                                std::function<void()> fn) {
  auto result = timer(std::move(fn));
  result.arm(due);
  return result;
}

// -- signals ------------------------------------------------------------------

struct signal_watch::state {
  unique_fd fd;
  fd_watch watch; // ends before the descriptor does
};

signal_watch::signal_watch() noexcept = default;

signal_watch::signal_watch(std::unique_ptr<state> owned) noexcept
  : state_(std::move(owned)) {}

signal_watch::signal_watch(signal_watch&& other) noexcept = default;

signal_watch& signal_watch::operator=(signal_watch&& other) noexcept = default;

signal_watch::~signal_watch() = default;

expected<signal_watch>
event_loop::watch_signals(const std::vector<int>& signals,
                          std::function<void(int)> fn) {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : signals)
    sigaddset(&set, number);
  auto x = std::make_unique<signal_watch::state>();
  x->fd.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!x->fd)
    return fail_errno(errno, "signalfd");
  auto take = [fd = x->fd.get(), fn = std::move(fn)](unsigned) {
    signalfd_siginfo infos[8];
    auto size = ::read(fd, infos, sizeof(infos));
    for (size_t i = 0; size > 0 && i < size / sizeof(infos[0]); ++i)
      fn(static_cast<int>(infos[i].ssi_signo));
  };
  auto watch = this->watch(x->fd.get(), fd_event::readable, std::move(take));
  if (!watch)
    return tl::make_unexpected(watch.error());
  x->watch = std::move(*watch);
  return signal_watch{std::move(x)};
}

} // namespace pm
