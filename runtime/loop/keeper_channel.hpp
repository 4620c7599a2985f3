#pragma once

#include <deque>
#include <optional>
#include <vector>

#include <pm/event_loop.hpp>

#include "runtime/keeper/frames.hpp"
#include "runtime/keeper/keeper_codec.hpp"
#include "runtime/keeper/launch.hpp"

namespace pm {

// What a channel tells and asks; called from the loop.
class channel_events {
public:
  virtual ~channel_events() = default;

  virtual void on_report(const keeper::run_report& report,
                         keeper::frame_fds& fds) = 0;

  // The keeper is gone, or the connection makes no sense any more.
  virtual void on_channel_lost(const error& why) = 0;

  // A spawn goes out now: appends the descriptors to be sent. False: it shall
  // not be sent after all. Asked again if the socket would not take it.
  virtual bool lend_descriptors(const run_id& run, std::vector<int>& fds) = 0;

  // The spawn has been sent, and its descriptors with it.
  virtual void on_spawn_sent(const run_id& run) = 0;

  // The keeper holds what was given to it.
  virtual void on_holding() = 0;
};

// A row of the table that a keeper gives on connecting.
struct held_row {
  keeper::run_report report; // as it was when `fds` came
  keeper::frame_fds fds;
  std::optional<keeper::run_report> ended; // said since then
  bool is_unheld = false; // found without a keeper, which knows nothing of it

  const keeper::run_report& latest() const noexcept {
    return ended ? *ended : report;
  }
};

// A connection that has been made, with what the keeper said first.
struct keeper_link {
  unique_fd socket;
  unique_fd keeper; // its pidfd
  int keeper_pid = 0;
  int version = 0;
  std::vector<held_row> table;
};

// Connects (or starts a keeper), and reads its table; again, up to eight times,
// where the keeper has died over it. Waits; from any thread. Errors:
// keeper_failed, protocol_violation, system_failed.
expected<keeper_link> open_keeper_link(const keeper::keeper_start& how);

// The connection to a keeper: frames in order, a bounded queue of those that
// the socket would not take.
class keeper_channel {
public:
  keeper_channel(event_loop& loop, channel_events& to, size_t queue_max);

  // Takes over a connection, but for its table. Errors: system_failed.
  expected<void> attach(keeper_link& link);

  bool is_connected() const noexcept { return static_cast<bool>(socket_); }

  // True once the process of the last keeper has ended.
  bool is_keeper_dead() const;

  // Of the protocol, as the last keeper speaks it.
  int version() const noexcept { return version_; }

  int keeper_pid() const noexcept { return keeper_pid_; }

  size_t queued() const noexcept { return queue_.size(); }

  // Sends a spawn, in order with the others. False: the queue is full.
  bool send_spawn(const run_id& run, keeper::outgoing_frame frame);

  // Sends a frame that has no descriptors; never refused.
  void send(std::vector<std::byte> frame);

  // The same, with `fds`, which stay open until it has been sent.
  void send_with(keeper::outgoing_frame frame, std::vector<unique_fd> fds);

  // Sends what is queued and `frame`, waiting a second for the socket.
  void send_last(std::vector<std::byte> frame);

private:
  struct queued_frame {
    keeper::outgoing_frame frame;
    run_id spawn; // nil: not a spawn
    std::vector<unique_fd> fds;
  };

  enum class sent : uint8_t { done, later, lost };

  void on_events(unsigned events);
  void receive_some();
  void flush();
  sent send_front();
  void wait_to_send(int error);
  void lose(error why);

  event_loop& loop_;
  channel_events& to_;
  size_t queue_max_ = 0;
  unique_fd socket_;
  unique_fd keeper_; // its pidfd
  fd_watch watch_;   // ends before the descriptor does
  loop_timer retry_;
  std::deque<queued_frame> queue_;
  std::vector<std::byte> buffer_;
  int keeper_pid_ = 0;
  int version_ = 0;
  bool is_waiting_ = false; // the socket or the kernel is full
};

} // namespace pm
