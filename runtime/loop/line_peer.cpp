#include "runtime/loop/line_peer.hpp"

#include <array>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/logs/scratch.hpp"

namespace pm {

namespace {

constexpr size_t batch_max = 64; // queued lines in one system call

} // namespace

line_peer::line_peer(event_loop& loop, line_peer_owner& owner, unique_fd socket,
                     peer_credentials who, const line_limits& limits)
  : loop_(loop),
    owner_(&owner),
    socket_(std::move(socket)),
    who_(who),
    limits_(limits) {}

expected<void> line_peer::start() {
  watched_ = fd_event::readable;
  auto watch = loop_.watch(socket_.get(), watched_, [this](unsigned events) {
    auto self = shared_from_this(); // a handler may let go of it
    on_events(events);
  });
  if (!watch)
    return tl::make_unexpected(watch.error());
  watch_ = std::move(*watch);
  return {};
}

void line_peer::abandon() noexcept {
  owner_ = nullptr;
  watch_ = {};
  socket_.reset();
}

const peer_credentials& line_peer::peer() const noexcept {
  return who_;
}

size_t line_peer::pending_bytes() const noexcept {
  return out_size_;
}

bool line_peer::is_open() const noexcept {
  return socket_ && !is_closing_ && !has_failed_;
}

// -- sending ------------------------------------------------------------------

void line_peer::send(std::string_view line) {
  if (!is_open())
    return;
  if (out_size_ + line.size() + 1 > limits_.queue_max)
    return fail_later({ec::busy, fmt::format("the peer has left {} bytes "
                                             "unread",
                                             out_size_)});
  // Small lines of one turn share a system call.
  if (out_.size() < 2 || out_.back().size() + line.size() >= scratch_size)
    out_.emplace_back();
  out_.back().reserve(out_.back().size() + line.size() + 1);
  out_.back().append(line).push_back('\n');
  out_size_ += line.size() + 1;
  if (is_flush_posted_ || (watched_ & fd_event::writable) != 0)
    return;
  is_flush_posted_ = true;
  loop_.post([self = shared_from_this()] {
    self->is_flush_posted_ = false;
    if (self->socket_ && self->owner_ != nullptr)
      self->write_some();
  });
}

void line_peer::write_some() {
  auto had_some = out_size_ > 0;
  while (out_size_ > 0) {
    std::array<iovec, batch_max> parts{};
    size_t count = 0;
    for (auto& line : out_) {
      if (count == parts.size())
        break;
      auto skipped = count == 0 ? out_offset_ : 0;
      parts[count++] = {line.data() + skipped, line.size() - skipped};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    auto sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
      break;
    if (sent < 0) // EPIPE: the peer went away, as peers do
      return finish(errno == EPIPE || errno == ECONNRESET
                      ? error{}
                      : fail_errno(errno, "send").value());
    out_size_ -= static_cast<size_t>(sent);
    out_offset_ += static_cast<size_t>(sent);
    while (!out_.empty() && out_offset_ >= out_.front().size()) {
      out_offset_ -= out_.front().size();
      out_.pop_front();
    }
  }
  if (out_size_ == 0 && is_closing_)
    return finish({});
  update();
  if (out_size_ == 0 && had_some)
    owner_->on_drained(shared_from_this());
}

void line_peer::close() {
  if (!is_open())
    return;
  is_closing_ = true;
  loop_.post([self = shared_from_this()] {
    if (self->socket_ && self->owner_ != nullptr)
      self->write_some();
  });
}

// -- receiving ----------------------------------------------------------------

void line_peer::set_reading(bool on) {
  reads_ = on;
  if (socket_)
    update();
}

void line_peer::on_events(unsigned events) {
  if ((events & fd_event::writable) != 0)
    write_some();
  if (socket_ && (events & fd_event::readable) != 0)
    read_some();
  // Nobody is left to read what is queued.
  if (socket_ && (events & fd_event::hangup) != 0
      && (events & fd_event::readable) == 0)
    finish({});
}

void line_peer::read_some() {
  auto buffer = scratch<line_peer>();
  auto count =
    ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    // A handler may send or close in between; a copy is not needed, since
    // nothing is received before the next turn.
    split({buffer.data(), static_cast<size_t>(count)});
    return;
  }
  if (count < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (count < 0)
    return finish(errno == ECONNRESET ? error{}
                                      : fail_errno(errno, "receive").value());
  has_ended_ = true;
  update();
  owner_->on_end(shared_from_this());
}

void line_peer::split(std::string_view bytes) {
  while (!bytes.empty() && is_open()) {
    auto newline = bytes.find('\n');
    auto size = std::min(newline, bytes.size());
    if (in_.size() + size > limits_.line_max)
      return fail_later(
        {ec::protocol_violation,
         fmt::format("a line of more than {} bytes", limits_.line_max)});
    if (newline == std::string_view::npos) {
      in_.append(bytes);
      return;
    }
    auto line = bytes.substr(0, newline);
    bytes.remove_prefix(newline + 1);
    if (in_.empty()) {
      owner_->on_line(shared_from_this(), line);
      continue;
    }
    auto whole = std::exchange(in_, {}).append(line);
    owner_->on_line(shared_from_this(), whole);
  }
}

// -- both ---------------------------------------------------------------------

// Watches for what is wanted now; always for the peer's end.
void line_peer::update() {
  auto events = fd_event::hangup;
  if (reads_ && !has_ended_ && is_open())
    events |= fd_event::readable;
  if (out_size_ > 0)
    events |= fd_event::writable;
  if (events != watched_)
    watch_.set(events);
  watched_ = events;
}

void line_peer::fail_later(error why) {
  has_failed_ = true;
  watch_ = {};
  loop_.post([self = shared_from_this(), why = std::move(why)] {
    if (self->socket_ && self->owner_ != nullptr)
      self->finish(why);
  });
}

void line_peer::finish(const error& why) {
  watch_ = {};
  socket_.reset();
  out_.clear();
  out_size_ = 0;
  owner_->on_closed(shared_from_this(), why);
}

} // namespace pm
