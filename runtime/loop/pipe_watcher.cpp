#include "runtime/loop/pipe_watcher.hpp"

#include <algorithm>

#include <utility>

#include <fcntl.h>
#include <sys/ioctl.h>

#include "runtime/logs/scratch.hpp"

namespace pm {

namespace {

// Nearly what an ordinary pipe can hold: whoever writes that much is busy.
constexpr size_t busy_chunk = 60u << 10;

} // namespace

pipe_watcher::pipe_watcher(unique_fd pipe, plan how, pipe_events& to)
  : pipe_(std::move(pipe)), plan_(std::move(how)), to_(to) {}

expected<void> pipe_watcher::prepare(event_loop& loop) {
  auto watch = loop.watch(pipe_.get(), 0, [this](unsigned) { on_readable(); });
  if (!watch)
    return tl::make_unexpected(watch.error());
  watch_ = std::move(*watch);
  return {};
}

void pipe_watcher::start() {
  watch_.set(fd_event::readable);
}

void pipe_watcher::on_readable() {
  size_t taken = 0;
  while (taken < pipe_turn_max) {
    auto wanted = pipe_turn_max - taken;
    if (plan_.mode == output_mode::stream)
      wanted = std::min(wanted, stream_window - unconsumed_);
    if (wanted == 0) {
      watch_.set(0); // until `consumed`: the child waits
      return;
    }
    auto count = take(wanted);
    if (at_end_)
      return close();
    if (count < busy_chunk)
      return; // likely all there was; if not, the loop comes back
    taken += count;
  }
}

void pipe_watcher::drain() {
  if (!pipe_)
    return;
  int waiting = 0;
  ::ioctl(pipe_.get(), FIONREAD, &waiting);
  auto rest = static_cast<size_t>(std::max(waiting, 0));
  while (rest > 0 && !at_end_) {
    auto count = take(rest);
    if (count == 0)
      break;
    rest -= std::min(rest, count);
  }
  if (at_end_ || plan_.mode != output_mode::log)
    close();
}

std::string pipe_watcher::collect(bool& cut) {
  // Bounded: a descendant may write on and on.
  for (size_t taken = 0; pipe_ && !at_end_ && taken < plan_.capture_max;) {
    auto count = take(pipe_chunk_max);
    if (count == 0)
      break;
    taken += count;
  }
  cut = std::exchange(was_cut_, false);
  return std::exchange(text_, {});
}

void pipe_watcher::consumed(size_t bytes) {
  auto was_full = unconsumed_ >= stream_window;
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (was_full && unconsumed_ < stream_window && pipe_)
    watch_.set(fd_event::readable);
}

// Takes up to `max` bytes; returns 0 when the pipe is empty or at its end.
size_t pipe_watcher::take(size_t max) {
  return plan_.mode == output_mode::log ? take_log(max) : take_chunk(max);
}

size_t pipe_watcher::take_log(size_t max) {
  auto result = plan_.log->take(pipe_.get(), plan_.from, max);
  at_end_ = result.at_end;
  to_.on_logged(result.moved, result.dropped);
  if (result.moved >= busy_chunk && !was_enlarged_) {
    was_enlarged_ = true; // tried once; the kernel may refuse it
    ::fcntl(pipe_.get(), F_SETPIPE_SZ, pipe_size_wanted);
  }
  return result.moved + result.dropped;
}

size_t pipe_watcher::take_chunk(size_t max) {
  static_assert(scratch_size == pipe_chunk_max);
  auto buffer = scratch<pipe_watcher>();
  auto count = ::read(pipe_.get(), buffer.data(), std::min(max, buffer.size()));
  if (count <= 0) {
    at_end_ = count == 0;
    return 0;
  }
  auto size = static_cast<size_t>(count);
  if (plan_.mode == output_mode::stream) {
    unconsumed_ += size;
    to_.on_chunk(plan_.from.which, std::string{buffer.data(), size});
    return size;
  }
  auto kept = std::min(size, plan_.capture_max - text_.size());
  text_.append(buffer.data(), kept);
  was_cut_ = was_cut_ || kept < size;
  return size;
}

void pipe_watcher::close() {
  watch_ = {};
  pipe_.reset();
  plan_.log.reset();
  to_.on_pipe_closed(plan_.from.which);
}

} // namespace pm
