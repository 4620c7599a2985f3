#pragma once

#include <array>
#include <span>
#include <utility>

#include "apps/pm_keeper/keeper_journal.hpp"
#include "apps/pm_keeper/node_starter.hpp"
#include "apps/pm_keeper/run_table.hpp"
#include "apps/pm_keeper/spawner.hpp"
#include "runtime/keeper/frames.hpp"

namespace pm::keeper {

struct handover_head;

// What epoll tells for each descriptor: one of these, `tag_run` and the run's
// slot number, or `tag_pipe` and twice that (stdout) or one more (stderr).
enum epoll_tag : uint64_t {
  tag_listener = 0,
  tag_node = 1,
  tag_peer = 2,
  tag_signals = 3,
  tag_started = 4,
  tag_run = 16,
  tag_pipe = uint64_t{1} << 32,
};

// What the keeper keeps, whoever is connected.
struct keeper_state {
  log_shelf logs; // outlives the runs, which refer to it
  run_table table;
  spawner children;
  node_starter starter{children};
  keeper_journal journal;
  int epoll = -1;
  // The program to go on as when the node has let go; empty: none.
  std::array<char, log_path_max + 1> next_program{};
};

// Adds `fd` to the poll set. Returns 0 or errno.
int watch(int epoll, int fd, uint32_t events, uint64_t tag) noexcept;

// Monotonic time in milliseconds.
int64_t now_ms() noexcept;

// Wall-clock time in microseconds since 1970 UTC.
int64_t now_us() noexcept;

// The connection to the node, one at a time. Nothing is queued: what could not
// be sent stays owed in the runs' slots, and no request is read until then.
class node_link {
public:
  explicit node_link(keeper_state& state) noexcept : state_(state) {}

  // Takes a new connection. False if its peer is not welcome.
  bool attach(unique_fd socket) noexcept;

  bool attached() const noexcept { return static_cast<bool>(socket_); }

  // The socket is readable, writable or closed.
  void on_socket(uint32_t events) noexcept;

  // The process of the peer or of the last node has ended: serves what it had
  // sent, then lets go.
  void on_peer_death() noexcept;

  // True if the process of the node that was here last is proven dead, and
  // nobody has taken its place.
  bool is_node_dead() const noexcept { return node_is_dead_ && !attached(); }

  // True once for each death of a node that had said no goodbye.
  bool take_death() noexcept { return std::exchange(death_is_news_, false); }

  // Tells what `bits` (owed_bits) say about `slot`, now or when it can.
  void tell(run_slot& slot, uint8_t bits) noexcept;

  // For a keeper that goes on as another program, without a connection.
  void leave(handover_head& to) const noexcept;
  void take(const handover_head& from) noexcept;

  // Sends what is owed, as far as the socket takes it.
  void flush() noexcept;

  // True if sending must be tried again after a while, since too many
  // descriptors are under way in the system.
  bool wants_retry() const noexcept { return retry_; }

private:
  enum class phase : uint8_t {
    hello,   // the node has to begin
    welcome, // welcome is owed
    table,   // held frames are owed
    pause,   // table_pause is owed
    paused,  // table_more is awaited
    end,     // table_end is owed
    open,
  };

  bool send(std::span<const std::byte> frame,
            std::span<const int> fds = {}) noexcept;
  bool send_bare(frame_type type) noexcept;
  bool send_welcome() noexcept;
  bool send_held(run_slot& slot) noexcept;
  bool send_owed(run_slot& slot) noexcept;
  bool send_report(frame_type type, const report_body& body,
                   std::span<const int> fds) noexcept;
  void send_table() noexcept;
  void block(bool retry) noexcept;

  void read(int frames_max) noexcept;
  void handle(std::span<const std::byte> frame) noexcept;
  void on_hello(std::span<const std::byte> frame) noexcept;
  void on_spawn(const frame_header& head,
                std::span<const std::byte> frame) noexcept;
  void spawn(const spawn_view& view, size_t first_pipe) noexcept;
  void on_run_list(const frame_header& head,
                   std::span<const std::byte> frame) noexcept;
  void refuse(refusal code, const char* text) noexcept;
  void on_hold(std::span<const std::byte> frame) noexcept;
  void on_respawn(const frame_header& head,
                  std::span<const std::byte> frame) noexcept;
  void on_set_log(std::span<const std::byte> frame) noexcept;
  void on_replace(std::span<const std::byte> frame) noexcept;
  void become_node() noexcept;
  void close_watched(unique_fd& fd) noexcept;
  void detach() noexcept;

  keeper_state& state_;
  unique_fd socket_;
  unique_fd peer_; // pidfd of who has connected, until it says hello
  unique_fd node_; // pidfd of who has said hello, until it is dead
  bool peer_is_dead_ = false;
  bool node_is_dead_ = false;
  bool death_is_news_ = false;
  bool said_goodbye_ = false;
  int peer_pid_ = 0;
  frame_fds fds_; // of the frame at hand
  phase phase_ = phase::hello;
  int version_ = version_max;
  size_t row_ = 0;       // next slot of the table
  size_t batch_ = 0;     // held frames since the last pause
  bool blocked_ = false; // waiting for EPOLLOUT, or to try again
  bool retry_ = false;
  bool mute_ = false;  // nobody listens any longer
  bool owing_ = false; // some slot may have owed bits
  // One answer that has no slot to be owed in.
  std::array<std::byte, 128> stash_{};
  size_t stash_size_ = 0;
};

} // namespace pm::keeper
