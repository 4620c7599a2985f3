#pragma once

#include <pm/keeper_host.hpp>

#include <deque>
#include <optional>
#include <unordered_map>

#include <sys/resource.h>

#include "runtime/keeper/keeper_files.hpp"
#include "runtime/loop/hosted_run.hpp"
#include "runtime/loop/keeper_channel.hpp"
#include "runtime/os/cgroup.hpp"

namespace pm {

// keeper_host.cpp has what becomes of runs, keeper_host_link.cpp what node and
// keeper owe each other.
class keeper_host : public keeper_connection, public channel_events {
public:
  keeper_host(event_loop& loop, keeper_options options, std::string boot_id)
    : loop_(loop),
      options_(std::move(options)),
      boot_id_(std::move(boot_id)),
      logs_(options_.log_files_max, options_.on_trouble,
            [this](std::function<void()> fn, std::function<void()> done) {
              loop_.work(std::move(fn), std::move(done));
            }),
      channel_(loop, *this, options_.spawn_queue_max),
      place_{loop_,
             logs_,
             counters_,
             boot_id_,
             [this](const run_id& run) { release(run); },
             [this] { return reapers(); },
             leaders_,
             [this](const run_id& run) { stdin_closed(run); },
             options_.cgroup_home} {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
      nofile_soft_ = limit.rlim_cur;
  }

  ~keeper_host() override {
    *is_alive_ = false;
    runs_.clear();
    if (!options_.cgroup_home.empty())
      remove_cgroup(options_.cgroup_home); // if nothing lives on
  }

  // Connects, waiting for it.
  expected<void> connect();

  // -- keeper_connection ------------------------------------------------------

  std::vector<held_run> held() const override;

  int keeper_pid() const noexcept override { return channel_.keeper_pid(); }

  bool is_connected() const noexcept override {
    return channel_.is_connected();
  }

  void ready(node_command how) override;
  void goodbye() override;
  bool replace_keeper(const std::string& path) override;
  void recover(const std::vector<recorded_run>& all) override;
  void reconnect(std::function<void(expected<void>)> done) override;

  void on_lost(std::function<void(const error&)> fn) override {
    on_lost_ = std::move(fn);
  }

  uint64_t dropped_bytes(const run_id& run) const override;
  host_counters counters() const override;

  // -- process_host -----------------------------------------------------------

  void spawn(spawn_request what, std::shared_ptr<run_events> to) override;
  void adopt(spawn_request what, std::shared_ptr<run_events> to) override;
  void signal(const run_id& run, int number, signal_scope scope) override;
  void watch_group(const run_id& run) override;
  void write_stdin(const run_id& run, std::string bytes,
                   std::function<void(expected<void>)> done) override;
  void close_stdin(const run_id& run) override;
  void collect(const run_id& run,
               std::function<void(run_output)> done) override;
  void consumed(const run_id& run, stream which, size_t bytes) override;
  void limit(const run_id& run, const run_limits& allowed) override;
  void acknowledge(const run_id& run) override;

  // -- channel_events ---------------------------------------------------------

  void on_report(const keeper::run_report& report,
                 keeper::frame_fds& fds) override;
  void on_channel_lost(const error& why) override;
  bool lend_descriptors(const run_id& run, std::vector<int>& fds) override;
  void on_spawn_sent(const run_id& run) override;
  void on_holding() override;

private:
  void later(std::function<void()> fn);
  bool speaks_2() const { return channel_.version() >= 2; }

  // True from the loss of a keeper to the end of the attempt to reconnect.
  bool is_returning() const noexcept { return is_returning_; }

  keeper::keeper_start keeper_wanted() const;
  expected<void> take_link(keeper_link link);
  void settle(hosted_run& run, const keeper::keeper_files& files);
  void settle_pending(hosted_run& run, const keeper::keeper_files& files);
  void stay_alone(const error& why);
  void give_to_keeper(const run_id& run);
  void send_holds();
  void begin(const run_id& run);
  void launch(const run_id& run, expected<credentials> become);
  void fail_later(const run_id& run, error why);
  void take_row(held_row row);
  void release(const run_id& run);
  void stdin_closed(const run_id& run);
  void send_acknowledgements();
  void send_respawn();
  hosted_run* find(const run_id& run);

  // Who gets the orphans of runs: a dead keeper's went to init.
  std::vector<int> reapers() const {
    return has_lost_a_keeper_ ? std::vector{channel_.keeper_pid(), 1}
                              : std::vector{channel_.keeper_pid()};
  }

  event_loop& loop_;
  keeper_options options_;
  std::string boot_id_;
  host_counters counters_;
  log_table logs_;                  // outlives the runs' logs
  std::unordered_set<int> leaders_; // pids of live runs
  std::unordered_map<run_id, std::unique_ptr<hosted_run>, run_id_hash> runs_;
  std::unordered_map<run_id, held_row, run_id_hash> held_;
  std::vector<run_id> acknowledged_; // not sent yet
  std::function<void(const error&)> on_lost_;
  std::optional<node_command> respawn_;
  std::deque<run_id> to_hold_; // that the keeper has to get
  size_t holds_under_way_ = 0;
  uint64_t nofile_soft_ = 0; // of this process when it began
  size_t waiting_ = 0;       // spawns since the keeper was lost
  bool is_returning_ = false;
  std::string why_alone_; // neither connected nor returning
  bool has_lost_a_keeper_ = false;
  keeper_channel channel_;
  run_place place_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

} // namespace pm
