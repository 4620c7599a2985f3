#pragma once

#include <deque>
#include <memory>
#include <string>

#include <pm/line_server.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

class line_peer;

// What a peer tells its server.
class line_peer_owner {
public:
  virtual ~line_peer_owner() = default;

  virtual void on_line(const std::shared_ptr<line_peer>& from,
                       std::string_view line) = 0;
  virtual void on_drained(const std::shared_ptr<line_peer>& from) = 0;
  virtual void on_end(const std::shared_ptr<line_peer>& from) = 0;
  virtual void on_closed(const std::shared_ptr<line_peer>& from,
                         const error& why) = 0;
};

// One connection of a line server.
class line_peer : public line_connection,
                  public std::enable_shared_from_this<line_peer> {
public:
  line_peer(event_loop& loop, line_peer_owner& owner, unique_fd socket,
            peer_credentials who, const line_limits& limits);

  // Begins to watch. Errors: system_failed.
  expected<void> start();

  // Closes at once; nothing is told.
  void abandon() noexcept;

  const peer_credentials& peer() const noexcept override;
  void send(std::string_view line) override;
  size_t pending_bytes() const noexcept override;
  void set_reading(bool on) override;
  void close() override;
  bool is_open() const noexcept override;

private:
  void on_events(unsigned events);
  void read_some();
  void split(std::string_view bytes);
  void write_some();
  void update();
  void fail_later(error why);
  void finish(const error& why);

  event_loop& loop_;
  line_peer_owner* owner_ = nullptr; // none once it has been abandoned
  unique_fd socket_;
  fd_watch watch_; // ends before the descriptor does
  peer_credentials who_;
  line_limits limits_;
  std::string in_;              // the beginning of a line
  std::deque<std::string> out_; // not taken by the kernel yet
  size_t out_offset_ = 0;       // of the first one, sent
  size_t out_size_ = 0;         // bytes in `out_` that are not sent
  unsigned watched_ = 0;
  bool reads_ = true;
  bool has_ended_ = false;  // the peer sends nothing more
  bool is_closing_ = false; // after what is queued
  bool has_failed_ = false; // `on_closed` is on its way
  bool is_flush_posted_ = false;
};

} // namespace pm
