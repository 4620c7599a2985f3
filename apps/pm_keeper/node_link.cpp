#include "apps/pm_keeper/node_link.hpp"

#include "apps/pm_keeper/handover.hpp"

#include <algorithm>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace pm::keeper {

namespace {

constexpr int peer_pidfd_option = 77; // SO_PEERPIDFD, kernel 6.5 or later
constexpr int frames_per_turn = 64;
constexpr int frames_of_the_dead = 1 << 20;

alignas(8) std::array<std::byte, frame_max> frame_buffer;

unique_fd open_peer(int socket, int pid) noexcept {
  int fd = -1;
  socklen_t size = sizeof(fd);
  if (::getsockopt(socket, SOL_SOCKET, peer_pidfd_option, &fd, &size) != 0)
    fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return unique_fd{fd};
}

bool has_died(const unique_fd& pidfd) noexcept {
  pollfd entry{pidfd.get(), POLLIN, 0};
  return pidfd && ::poll(&entry, 1, 0) == 1;
}

} // namespace

bool node_link::attach(unique_fd socket) noexcept {
  ucred who{};
  socklen_t size = sizeof(who);
  auto known =
    ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
  socket_ = std::move(socket);
  phase_ = phase::hello;
  blocked_ = retry_ = mute_ = owing_ = false;
  stash_size_ = 0;
  if (!known || (who.uid != ::geteuid() && who.uid != 0)) {
    refuse(refusal::not_permitted, "this keeper belongs to another user");
    return false;
  }
  peer_pid_ = who.pid;
  peer_ = open_peer(socket_.get(), who.pid);
  // Its process may be gone already; what it has sent is served all the same.
  peer_is_dead_ = !peer_ && errno == ESRCH;
  if (peer_)
    watch(state_.epoll, peer_.get(), EPOLLIN, tag_peer);
  if (watch(state_.epoll, socket_.get(), EPOLLIN, tag_node) != 0)
    detach();
  return attached();
}

// Removed before it is closed: others may share the open file.
void node_link::close_watched(unique_fd& fd) noexcept {
  if (!fd)
    return;
  ::epoll_ctl(state_.epoll, EPOLL_CTL_DEL, fd.get(), nullptr);
  fd.reset();
}

// The node's process is watched on: its end says when the runs' output is
// nobody's.
void node_link::detach() noexcept {
  close_watched(socket_);
  close_watched(peer_);
  retry_ = false;
}

void node_link::become_node() noexcept {
  close_watched(node_);
  node_ = std::move(peer_);
  node_is_dead_ = peer_is_dead_;
  death_is_news_ = peer_is_dead_;
  said_goodbye_ = false;
  state_.starter.node_is_here(peer_pid_);
}

void node_link::refuse(refusal code, const char* text) noexcept {
  std::array<std::byte, 512> frame;
  send({frame.data(), encode_refused(frame, code, text)});
  // A socket that is closed with unread frames takes the answer with it.
  frame_fds ignored;
  while (receive_frame(socket_.get(), frame_buffer, ignored).size > 0) {
  }
  detach();
}

void node_link::on_socket(uint32_t events) noexcept {
  if (blocked_ && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
    flush();
  if (!blocked_ && attached())
    read(frames_per_turn);
}

void node_link::on_peer_death() noexcept {
  auto node_died = has_died(node_);
  // Whoever has said hello is the node; before that it is `peer_`.
  if (attached() && (peer_ ? has_died(peer_) : node_died)) {
    mute_ = true;
    blocked_ = false;
    peer_is_dead_ = true;
    read(frames_of_the_dead);
    detach();
  }
  if (has_died(node_)) {
    close_watched(node_);
    node_is_dead_ = true;
    death_is_news_ = !said_goodbye_;
  }
}

void node_link::read(int frames_max) noexcept {
  for (int i = 0; i < frames_max && attached() && !blocked_; ++i) {
    auto got = receive_frame(socket_.get(), frame_buffer, fds_);
    if (got.error == EAGAIN)
      return;
    if (got.error == EMSGSIZE)
      refuse(refusal::protocol_violation, "a frame is larger than allowed");
    else if (got.error != 0 || got.size == 0)
      detach();
    else
      handle({frame_buffer.data(), got.size});
    fds_.clear();
  }
}

void node_link::handle(std::span<const std::byte> frame) noexcept {
  auto head = decode_header(frame);
  if (!head)
    return refuse(refusal::protocol_violation,
                  "a frame's size is not what it says");
  auto type = static_cast<frame_type>(head->type);
  if (phase_ == phase::hello) {
    if (type == frame_type::hello)
      return on_hello(frame);
    return refuse(refusal::protocol_violation, "the first frame must be hello");
  }
  if (type == frame_type::goodbye) {
    said_goodbye_ = true;
    death_is_news_ = false;
    state_.starter.forget();
    return detach();
  }
  if (phase_ == phase::paused && type == frame_type::table_more) {
    phase_ = phase::table;
    batch_ = 0;
    return flush();
  }
  if (phase_ == phase::open && type == frame_type::spawn)
    return on_spawn(*head, frame);
  if (phase_ == phase::open
      && (type == frame_type::acknowledge || type == frame_type::close_stdin))
    return on_run_list(*head, frame);
  if (phase_ == phase::open && type == frame_type::set_log && version_ >= 2)
    return on_set_log(frame);
  if (phase_ == phase::open && type == frame_type::hold && version_ >= 2)
    return on_hold(frame);
  if (phase_ == phase::open && type == frame_type::respawn && version_ >= 2)
    return on_respawn(*head, frame);
  if (phase_ == phase::open && type == frame_type::ready && version_ >= 2)
    return state_.starter.node_is_ready();
  if (phase_ == phase::open && type == frame_type::replace && version_ >= 3)
    return on_replace(frame);
  refuse(refusal::protocol_violation, "this frame is not expected here");
}

void node_link::on_hello(std::span<const std::byte> frame) noexcept {
  auto body = decode_hello(frame);
  if (!body)
    return refuse(refusal::protocol_violation, "a malformed hello");
  if (body->version_min > version_max || body->version_max < version_min)
    return refuse(refusal::not_supported,
                  "no protocol version in common: this keeper "
                  "speaks versions 1 to 3");
  version_ = std::min(body->version_max, version_max);
  become_node();
  for (size_t i = 0; i < state_.table.end(); ++i)
    state_.table.at(i).owed = state_.table.at(i).used ? owed_held : 0;
  row_ = 0;
  batch_ = 0;
  phase_ = phase::welcome;
  flush();
}

void node_link::on_set_log(std::span<const std::byte> frame) noexcept {
  auto view = decode_set_log(frame);
  if (!view)
    return refuse(refusal::protocol_violation, "a malformed set_log");
  if (auto slot = state_.table.find(view->run_id))
    slot->log = state_.logs.at(view->path);
}

void node_link::on_replace(std::span<const std::byte> frame) noexcept {
  auto path = decode_replace(frame);
  if (!path)
    return refuse(refusal::protocol_violation, "a malformed replace");
  auto end = std::copy(path->begin(), path->end(), state_.next_program.begin());
  *end = 0;
}

void node_link::leave(handover_head& to) const noexcept {
  to.node = node_.get();
  to.node_is_dead = node_is_dead_ ? 1 : 0;
  to.death_is_news = death_is_news_ ? 1 : 0;
  to.said_goodbye = said_goodbye_ ? 1 : 0;
}

void node_link::take(const handover_head& from) noexcept {
  node_.reset(from.node);
  if (node_)
    watch(state_.epoll, node_.get(), EPOLLIN, tag_peer);
  node_is_dead_ = from.node_is_dead != 0;
  death_is_news_ = from.death_is_news != 0;
  said_goodbye_ = from.said_goodbye != 0;
}

void node_link::on_run_list(const frame_header& head,
                            std::span<const std::byte> frame) noexcept {
  auto count = decode_run_list(frame);
  if (!count)
    return refuse(refusal::protocol_violation, "a malformed list of runs");
  for (size_t i = 0; i < *count; ++i) {
    auto slot = state_.table.find(listed_run(frame, i));
    if (slot == nullptr)
      continue;
    if (head.type == static_cast<uint16_t>(frame_type::close_stdin)) {
      slot->stdin_w.reset();
      slot->flags &= static_cast<uint8_t>(~report_stdin_pipe);
    } else if (slot->outcome != outcome::live) {
      state_.table.remove(*slot);
    } else if (slot->is_foreign) {
      slot->is_acknowledged = true; // the node has seen the end before us
    }
  }
  state_.journal.tidy(state_.table);
}

} // namespace pm::keeper
