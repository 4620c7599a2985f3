#include "runtime/loop/keeper_channel.hpp"

#include <cerrno>
#include <cstring>
#include <thread>

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

// How long a keeper that has cut a connection may take to be dead.
constexpr auto death_limit = 500ms;
// To come to a keeper that may have died meanwhile: a pause, twice as long each
// time, between two tries.
constexpr int link_tries = 8;
constexpr auto link_pause_min = 1ms;

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

// A keeper that is being killed still listens for a moment: who comes then is
// cut off, and has to come again.
error cut_off(const keeper_link& link, const char* how) {
  auto is_dead =
    wait_for(link.keeper.get(), POLLIN, clock::now() + death_limit);
  return {is_dead ? ec::unreachable : ec::keeper_failed,
          fmt::format("keeper (pid {}): {}", link.keeper_pid, how)};
}

expected<void> read_table(keeper_link& link, std::chrono::milliseconds limit) {
  auto due = clock::now() + limit;
  auto socket = link.socket.get();
  std::vector<std::byte> buffer(keeper::frame_max);
  if (auto error = keeper::send_frame(socket, keeper::encode_hello());
      error != 0)
    return tl::make_unexpected(cut_off(link, std::strerror(error)));
  for (;;) {
    keeper::frame_fds fds;
    auto got = keeper::receive_frame(socket, buffer, fds);
    if (got.error == EAGAIN && wait_for(socket, POLLIN, due))
      continue;
    if (got.error == EAGAIN)
      return fail(ec::keeper_failed, "keeper (pid {}): no answer in {} ms",
                  link.keeper_pid, limit.count());
    if (got.error != 0 || got.size == 0)
      return tl::make_unexpected(cut_off(link, got.error != 0
                                                 ? std::strerror(got.error)
                                                 : "it closed the connection"));
    auto message = keeper::decode_message({buffer.data(), got.size});
    if (!message)
      return tl::make_unexpected(message.error());
    if (auto* refusal = std::get_if<error>(&*message))
      return tl::make_unexpected(*refusal);
    if (std::holds_alternative<keeper::table_end>(*message))
      return {};
    if (std::holds_alternative<keeper::table_pause>(*message))
      keeper::send_frame(socket, keeper::encode_table_more());
    else if (auto* said = std::get_if<keeper::welcome>(&*message))
      link.version = said->version;
    else if (auto* report = std::get_if<keeper::run_report>(&*message))
      link.table.push_back({*report, std::move(fds), {}});
  }
}

expected<keeper_link> try_link(const keeper::keeper_start& how) {
  auto socket = keeper::connect_or_start_keeper(how);
  if (!socket)
    return tl::make_unexpected(socket.error());
  auto peer = keeper::peer_of(socket->get());
  if (!peer)
    return tl::make_unexpected(peer.error());
  keeper_link result{
    std::move(*socket), std::move(peer->pidfd), peer->pid, 0, {}};
  if (auto read = read_table(result, how.deadline); !read)
    return tl::make_unexpected(read.error());
  return result;
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

expected<keeper_link> open_keeper_link(const keeper::keeper_start& how) {
  auto pause = link_pause_min;
  for (int i = 1;; ++i, pause *= 2) {
    auto link = try_link(how);
    auto may_pass = !link
                    && (link.error().code == ec::unreachable
                        || link.error().code == ec::busy);
    if (!may_pass)
      return link;
    if (i == link_tries)
      return fail(ec::keeper_failed, "{}", link.error().text);
    std::this_thread::sleep_for(pause);
  }
}

expected<void> keeper_channel::attach(keeper_link& link) {
  auto watch = loop_.watch(link.socket.get(), fd_event::readable,
                           [this](unsigned events) { on_events(events); });
  if (!watch)
    return tl::make_unexpected(watch.error());
  socket_ = std::move(link.socket);
  watch_ = std::move(*watch);
  keeper_ = std::move(link.keeper);
  keeper_pid_ = link.keeper_pid;
  version_ = link.version;
  is_waiting_ = false;
  queue_.clear();
  return {};
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
    else if (std::holds_alternative<keeper::holding>(*message))
      to_.on_holding();
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
  queue_.push_back({std::move(frame), run, {}});
  flush();
  return true;
}

void keeper_channel::send(std::vector<std::byte> frame) {
  send_with({std::move(frame), unique_fd{}}, {});
}

void keeper_channel::send_with(keeper::outgoing_frame frame,
                               std::vector<unique_fd> fds) {
  if (!is_connected())
    return;
  queue_.push_back({std::move(frame), run_id{}, std::move(fds)});
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
  for (auto& fd : front.fds)
    fds.push_back(fd.get());
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
