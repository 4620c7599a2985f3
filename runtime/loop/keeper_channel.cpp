#include "runtime/loop/keeper_channel.hpp"

#include <cerrno>
#include <cstring>

#include <poll.h>

#include "runtime/os/proc.hpp"

namespace pm {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr int frames_per_turn = 64;
constexpr auto last_frame_limit = 1s;

// While too many descriptors are under way, the socket looks writable.
constexpr auto crowded_pause = 2ms;

bool wait_for(int fd, short events, clock::time_point due) {
  for (;;) {
    auto left =
      std::chrono::ceil<std::chrono::milliseconds>(due - clock::now());
    pollfd wanted{fd, events, 0};
    auto count = left.count() <= 0
                   ? 0
                   : ::poll(&wanted, 1, static_cast<int>(left.count()));
    if (count >= 0 || errno != EINTR)
      return count > 0;
  }
}

} // namespace

keeper_channel::keeper_channel(event_loop& loop, channel_events& to,
                               size_t queue_max)
  : loop_(loop), to_(to), queue_max_(queue_max), buffer_(keeper::frame_max) {
  retry_ = loop_.timer([this] {
    is_waiting_ = false;
    flush();
  });
}

bool keeper_channel::is_keeper_dead() const {
  return keeper_ && has_ended(keeper_.get());
}

// -- connecting ---------------------------------------------------------------

expected<std::vector<held_row>>
keeper_channel::connect(const keeper::keeper_start& how) {
  auto socket = keeper::connect_or_start_keeper(how);
  if (!socket)
    return tl::make_unexpected(socket.error());
  auto peer = keeper::peer_of(socket->get());
  if (!peer)
    return tl::make_unexpected(peer.error());
  socket_ = std::move(*socket);
  keeper_ = std::move(peer->pidfd);
  keeper_pid_ = peer->pid;
  is_waiting_ = false;
  queue_.clear();
  auto table = read_table(how.deadline);
  if (table) {
    auto watch = loop_.watch(socket_.get(), fd_event::readable,
                             [this](unsigned events) { on_events(events); });
    if (watch) {
      watch_ = std::move(*watch);
      return table;
    }
    table = tl::make_unexpected(watch.error());
  }
  socket_.reset();
  return table;
}

expected<std::vector<held_row>>
keeper_channel::read_table(std::chrono::milliseconds limit) {
  auto due = clock::now() + limit;
  std::vector<held_row> result;
  if (auto error = keeper::send_frame(socket_.get(), keeper::encode_hello());
      error != 0)
    return fail(ec::keeper_failed, "keeper (pid {}): {}", keeper_pid_,
                std::strerror(error));
  for (;;) {
    keeper::frame_fds fds;
    auto got = keeper::receive_frame(socket_.get(), buffer_, fds);
    if (got.error == EAGAIN && wait_for(socket_.get(), POLLIN, due))
      continue;
    if (got.error == EAGAIN)
      return fail(ec::keeper_failed, "keeper (pid {}): no answer in {} ms",
                  keeper_pid_, limit.count());
    if (got.error != 0 || got.size == 0)
      return fail(ec::keeper_failed, "keeper (pid {}): {}", keeper_pid_,
                  got.error != 0 ? std::strerror(got.error)
                                 : "it closed the connection");
    auto message = keeper::decode_message({buffer_.data(), got.size});
    if (!message)
      return tl::make_unexpected(message.error());
    if (auto* refusal = std::get_if<error>(&*message))
      return tl::make_unexpected(*refusal);
    if (std::holds_alternative<keeper::table_end>(*message))
      return result;
    if (std::holds_alternative<keeper::table_pause>(*message))
      keeper::send_frame(socket_.get(), keeper::encode_table_more());
    else if (auto* said = std::get_if<keeper::welcome>(&*message))
      version_ = said->version;
    else if (auto* report = std::get_if<keeper::run_report>(&*message))
      result.push_back({*report, std::move(fds), {}});
  }
}

// -- receiving ----------------------------------------------------------------

void keeper_channel::on_events(unsigned events) {
  if ((events & fd_event::writable) != 0) {
    is_waiting_ = false;
    flush();
  }
  if (is_connected())
    receive_some();
}

void keeper_channel::receive_some() {
  keeper::frame_fds fds;
  for (int i = 0; i < frames_per_turn && is_connected(); ++i) {
    auto got = keeper::receive_frame(socket_.get(), buffer_, fds);
    if (got.error == EAGAIN || got.error == EINTR)
      return;
    if (got.error != 0 || got.size == 0)
      return lose({ec::keeper_failed,
                   fmt::format("keeper (pid {}): {}", keeper_pid_,
                               got.error != 0 ? std::strerror(got.error)
                                              : "the connection has ended")});
    auto message = keeper::decode_message({buffer_.data(), got.size});
    if (!message)
      return lose(message.error());
    if (auto* refusal = std::get_if<error>(&*message))
      return lose(*refusal);
    if (auto* report = std::get_if<keeper::run_report>(&*message))
      to_.on_report(*report, fds);
  }
}

void keeper_channel::lose(error why) {
  watch_ = {};
  retry_.cancel();
  socket_.reset();
  queue_.clear();
  is_waiting_ = false;
  to_.on_channel_lost(why);
}

// -- sending ------------------------------------------------------------------

bool keeper_channel::send_spawn(const run_id& run,
                                keeper::outgoing_frame frame) {
  if (queue_.size() >= queue_max_)
    return false;
  queue_.push_back({std::move(frame), run});
  flush();
  return true;
}

void keeper_channel::send(std::vector<std::byte> frame) {
  if (!is_connected())
    return;
  queue_.push_back({{std::move(frame), unique_fd{}}, run_id{}});
  flush();
}

void keeper_channel::send_last(std::vector<std::byte> frame) {
  auto due = clock::now() + last_frame_limit;
  send(std::move(frame));
  while (is_connected() && !queue_.empty()
         && wait_for(socket_.get(), POLLOUT, due)) {
    is_waiting_ = false;
    flush();
  }
}

keeper_channel::sent keeper_channel::send_front() {
  auto& front = queue_.front();
  std::vector<int> fds;
  if (front.frame.body)
    fds.push_back(front.frame.body.get());
  if (front.spawn && !to_.lend_descriptors(front.spawn, fds))
    return sent::done;
  auto error = keeper::send_frame(socket_.get(), front.frame.bytes, fds);
  switch (error) {
  case 0:
    if (front.spawn)
      to_.on_spawn_sent(front.spawn);
    return sent::done;
  case EAGAIN:
  case EINTR:
  case ENOBUFS:
  case ENOMEM:
  case ETOOMANYREFS:
    wait_to_send(error);
    return sent::later;
  default:
    // What the keeper has said last is still to be read; its end follows.
    return sent::lost;
  }
}

void keeper_channel::wait_to_send(int error) {
  is_waiting_ = true;
  if (error == EAGAIN || error == EINTR)
    watch_.set(fd_event::readable | fd_event::writable);
  else
    retry_.arm(clock::now() + crowded_pause);
}

void keeper_channel::flush() {
  if (is_waiting_)
    return;
  while (is_connected() && !queue_.empty()) {
    auto outcome = send_front();
    if (outcome == sent::later)
      return;
    if (outcome == sent::lost)
      queue_.clear();
    else
      queue_.pop_front();
  }
  if (is_connected())
    watch_.set(fd_event::readable);
}

} // namespace pm
