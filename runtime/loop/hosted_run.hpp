#pragma once

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include <pm/keeper_host.hpp>

#include "runtime/keeper/frames.hpp"
#include "runtime/keeper/keeper_codec.hpp"
#include "runtime/loop/pipe_watcher.hpp"
#include "runtime/loop/stdin_writer.hpp"
#include "runtime/os/process_tree.hpp"

namespace pm {

class hosted_run;

// What all runs of one host share.
struct run_place {
  event_loop& loop;
  log_table& logs;
  host_counters& counters;
  const std::string& boot_id;

  // Nothing is left to be done for this run: it may be destroyed, later.
  std::function<void(const run_id&)> released;

  // For the trees of runs: who gets orphans, and the pids that lead runs.
  std::function<std::vector<int>()> reapers;
  std::unordered_set<int>& leaders;

  // The node has closed its end of the child's stdin: so must the keeper.
  std::function<void(const run_id&)> stdin_closed;

  const std::string& cgroup_home; // empty: runs have no groups
};

// One run of a keeper host: its pipes, its pidfd, and the order of what is
// told about it.
class hosted_run : public pipe_events {
public:
  // `place` must outlive it.
  hosted_run(const run_place& place, spawn_request what,
             std::shared_ptr<run_events> to);
  ~hosted_run() override;

  const spawn_request& request() const noexcept { return request_; }

  // -- beginning --------------------------------------------------------------

  // Makes the pipes, unless they are there, and appends the descriptors that
  // the keeper gets. Errors: system_failed; nothing is left open then.
  expected<void> lend_descriptors(std::vector<int>& fds);

  // Makes the group that this run is to be in, with its limits. Errors:
  // system_failed.
  expected<void> enter_cgroup(keeper::spawn_order& order);

  // The keeper has them.
  void on_sent() noexcept;

  // Takes over what a keeper held.
  void adopt(const keeper::run_report& report, keeper::frame_fds& fds);

  void on_spawned(const keeper::run_report& report, unique_fd pidfd);
  void on_failed(const error& why);

  // Nothing has come of the spawn: it can be asked for again.
  void begin_anew() noexcept { forget_pipes(); }

  // Somebody asks for this run again: tells what it has become, later.
  void repeat(std::shared_ptr<run_events> to);

  // -- being ------------------------------------------------------------------

  bool is_pending() const noexcept { return stage_ == stage::pending; }

  bool is_live() const noexcept { return stage_ == stage::live; }

  void signal(int number, signal_scope scope);
  void write_stdin(std::string bytes, stdin_writer::done_fn done);
  void close_stdin();
  run_output collect();
  void consumed(stream which, size_t bytes);
  void limit(const run_limits& allowed);

  uint64_t dropped_bytes() const noexcept { return dropped_bytes_; }

  // The keeper is gone: from now on the pidfd tells the end.
  void watch_end();

  // What a new keeper needs to know of this live run; appends copies of its
  // descriptors. None if it has no pidfd.
  std::optional<keeper::hold_order> hold(std::vector<unique_fd>& fds);

  // -- ending -----------------------------------------------------------------

  void on_exited(const exit_status& how, timestamp at);
  void watch_group();
  void acknowledge();

private:
  enum class stage : uint8_t { pending, live, ended, failed };

  void on_chunk(stream which, std::string chunk) override;
  void on_logged(size_t moved, size_t dropped) override;
  void on_pipe_closed(stream which) override;

  struct loan;

  void drop_words();
  expected<void> make_pipes();
  expected<void> take_output(stream which, unique_fd pipe);
  void forget_pipes() noexcept;
  identity who() const;
  int pidfd();
  bool group_is_alive();
  bool tree_is_alive();
  process_tree::surroundings around() const;
  void signal_tree(int number);
  void look_at_group();
  void look_at_end();
  void release_if_done();

  const run_place& place_;
  spawn_request request_; // without argv and environment once it lives
  std::shared_ptr<run_events> to_;
  stage stage_ = stage::pending;
  int pid_ = 0;
  uint64_t start_ticks_ = 0;
  timestamp spawned_at_;
  run_exit exit_; // told, without the output
  unique_fd pidfd_;
  fd_watch end_watch_; // of pidfd_
  std::unique_ptr<pipe_watcher> pipes_[2];
  std::unique_ptr<stdin_writer> stdin_;
  std::unique_ptr<loan> loan_; // until it has been sent
  loop_timer timer_;           // of the group, or of a lost end
  milliseconds pause_{0};      // between two looks
  std::optional<std::chrono::steady_clock::time_point> end_seen_;
  std::unique_ptr<process_tree> tree_; // from the first signal to it on
  std::string cgroup_;                 // its directory; empty: none
  held_limits held_;                   // there
  uint64_t dropped_bytes_ = 0;
  bool watches_group_ = false;
  bool kills_tree_ = false; // nobody of it is to live any longer
  std::optional<signal_scope> kill_at_birth_;
  bool is_acknowledged_ = false;
  bool wants_stdin_closed_ = false; // as soon as the keeper has the pipe
};

} // namespace pm
