#include "runtime/loop/stdin_writer.hpp"

#include <csignal>

namespace pm {

namespace {

// write(2), but a pipe without readers gives only EPIPE. Returns the count or
// a negative errno.
ssize_t write_quietly(int fd, const char* bytes, size_t size) {
  sigset_t pipe_only;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigpending(&pending);
  ::pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  auto count = ::write(fd, bytes, size);
  auto result = count < 0 ? -errno : count;
  if (result == -EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    timespec now{};
    while (::sigtimedwait(&pipe_only, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

} // namespace

stdin_writer::stdin_writer(event_loop& loop, unique_fd pipe)
  : loop_(loop), pipe_(std::move(pipe)) {}

stdin_writer::~stdin_writer() {
  finish(fail(ec::not_running, "stdin: the process has ended"));
}

void stdin_writer::write(std::string bytes, done_fn done) {
  auto refuse = [&](ec code, const char* why) {
    loop_.post([done = std::move(done), code, why] {
      done(fail(code, "stdin: {}", why));
    });
  };
  if (!pipe_ || is_closing_)
    return refuse(ec::not_running, "it is closed");
  if (done_)
    return refuse(ec::busy, "a write is under way");
  if (!watch_) {
    auto watch =
      loop_.watch(pipe_.get(), 0, [this](unsigned) { on_writable(); });
    if (!watch)
      return refuse(ec::system_failed, "it cannot be watched");
    watch_ = std::move(*watch);
  }
  bytes_ = std::move(bytes);
  offset_ = 0;
  done_ = std::move(done);
  watch_.set(fd_event::writable);
}

void stdin_writer::on_writable() {
  while (offset_ < bytes_.size()) {
    auto count = write_quietly(pipe_.get(), bytes_.data() + offset_,
                               bytes_.size() - offset_);
    if (count == -EAGAIN)
      return;
    if (count == -EINTR)
      continue;
    if (count < 0) {
      auto outcome = count == -EPIPE
                       ? fail(ec::not_running, "stdin: nobody reads it")
                       : fail_errno(static_cast<int>(-count), "stdin");
      shut();
      return finish(outcome);
    }
    offset_ += static_cast<size_t>(count);
  }
  watch_.set(0);
  if (is_closing_)
    shut();
  finish({});
}

void stdin_writer::finish(expected<void> outcome) {
  std::string{}.swap(bytes_);
  if (auto done = std::exchange(done_, {}))
    loop_.post([done = std::move(done), outcome = std::move(outcome)] {
      done(outcome);
    });
}

void stdin_writer::close(std::function<void()> closed) {
  if (!pipe_ || is_closing_)
    return;
  is_closing_ = true;
  closed_ = std::move(closed);
  if (!done_)
    shut();
}

void stdin_writer::shut() {
  watch_ = {};
  pipe_.reset();
  if (auto closed = std::exchange(closed_, {}))
    closed();
}

} // namespace pm
