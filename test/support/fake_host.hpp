#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <pm/process_host.hpp>

namespace pm::test {

// A process host without processes: the test says what they do. It also keeps
// watch that no two runs of one process are alive at once.
class fake_host : public process_host {
public:
  // One fake process.
  struct child {
    spawn_request request;
    std::shared_ptr<run_events> events;
    identity who;
    bool alive = false;   // spawned, and not ended
    bool group = false;   // others of its group are alive
    bool watched = false; // group_gone was asked for
    std::vector<int> signals;
  };

  // What new children do.
  bool spawn_at_once = true;  // else: `finish_spawn`
  bool obeys_term = true;     // SIGTERM ends them
  bool immortal = false;      // nothing ends them, not even SIGKILL
  bool leaves_group = false;  // somebody of the group outlives them
  bool kernel_limits = false; // the kernel holds them to their limits
  std::string spawn_error;    // not empty: every spawn fails with this

  timestamp now{};

  // -- what the test does -----------------------------------------------------

  // The newest run of a process; fails the test if there was none.
  child& last(const std::string& handle_id);
  bool is_alive(const std::string& handle_id) const;
  size_t alive_count() const;
  size_t spawn_count(const std::string& handle_id) const;

  void finish_spawn(child& x);
  void end(child& x, exit_status how, bool over_memory = false);
  void exit(const std::string& handle_id, int code);
  void end_group(child& x);

  // The most runs of one process that were ever alive together.
  size_t copies_max = 0;
  std::set<std::string> acknowledged;
  std::vector<std::string> written; // to any stdin
  std::vector<std::string> adopted;

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

private:
  child* find(const run_id& run);
  void begin(child& x);

  std::map<std::string, child> children_;                // by run id
  std::map<std::string, std::vector<std::string>> runs_; // by handle id
  int next_pid_ = 1000;
};

} // namespace pm::test
