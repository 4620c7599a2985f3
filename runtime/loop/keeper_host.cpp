#include <pm/keeper_host.hpp>

#include <unordered_map>

#include "runtime/loop/hosted_run.hpp"
#include "runtime/loop/keeper_channel.hpp"
#include "runtime/loop/spawn_words.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

namespace {

class keeper_host : public keeper_connection, public channel_events {
public:
  keeper_host(event_loop& loop, keeper_options options, std::string boot_id)
    : loop_(loop),
      options_(std::move(options)),
      boot_id_(std::move(boot_id)),
      logs_(options_.log_files_max, options_.on_trouble),
      channel_(loop, *this, options_.spawn_queue_max),
      place_{loop_,
             logs_,
             counters_,
             boot_id_,
             [this](const run_id& run) { release(run); },
             [this](const run_id& run) { stdin_closed(run); }} {}

  ~keeper_host() override { *is_alive_ = false; }

  expected<void> reconnect() override;

  // -- keeper_connection ------------------------------------------------------

  std::vector<held_run> held() const override;

  int keeper_pid() const noexcept override { return channel_.keeper_pid(); }

  bool is_connected() const noexcept override {
    return channel_.is_connected();
  }

  void goodbye() override;

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
  void consumed(const run_id& run, stream which, size_t bytes) override;
  void acknowledge(const run_id& run) override;

  // -- channel_events ---------------------------------------------------------

  void on_report(const keeper::run_report& report,
                 keeper::frame_fds& fds) override;
  void on_channel_lost(const error& why) override;
  bool lend_descriptors(const run_id& run, std::vector<int>& fds) override;
  void on_spawn_sent(const run_id& run) override;

private:
  void later(std::function<void()> fn);
  void launch(const run_id& run, expected<credentials> become);
  void fail_later(const run_id& run, error why);
  void take_row(held_row row);
  void release(const run_id& run);
  void stdin_closed(const run_id& run);
  void send_acknowledgements();
  hosted_run* find(const run_id& run);

  event_loop& loop_;
  keeper_options options_;
  std::string boot_id_;
  host_counters counters_;
  log_table logs_; // outlives the runs' logs
  std::unordered_map<run_id, std::unique_ptr<hosted_run>, run_id_hash> runs_;
  std::unordered_map<run_id, held_row, run_id_hash> held_;
  std::vector<run_id> acknowledged_; // not sent yet
  std::function<void(const error&)> on_lost_;
  keeper_channel channel_;
  run_place place_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

hosted_run* keeper_host::find(const run_id& run) {
  auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : found->second.get();
}

// Runs `fn` from the loop, unless this host has ended by then.
void keeper_host::later(std::function<void()> fn) {
  loop_.post([alive = is_alive_, fn = std::move(fn)] {
    if (*alive)
      fn();
  });
}

void keeper_host::release(const run_id& run) {
  later([this, run] { runs_.erase(run); });
}

// -- the keeper ---------------------------------------------------------------

expected<void> keeper_host::reconnect() {
  if (channel_.is_connected())
    return {};
  auto table = channel_.connect(
    {options_.state_dir, options_.keeper_path, options_.start_deadline});
  if (!table)
    return tl::make_unexpected(table.error());
  held_.clear();
  for (auto& row : *table)
    take_row(std::move(row));
  if (!acknowledged_.empty())
    later([this] { send_acknowledgements(); });
  return {};
}

// Of a run that this host knows, only the end is news.
void keeper_host::take_row(held_row row) {
  auto run = row.report.run_id;
  if (find(run) != nullptr) {
    later([this, report = row.report] {
      keeper::frame_fds none;
      on_report(report, none);
    });
    return;
  }
  held_[run] = std::move(row);
}

std::vector<held_run> keeper_host::held() const {
  std::vector<held_run> result;
  for (auto& [run, row] : held_) {
    auto& report = row.latest();
    held_run x;
    x.run_id = run;
    x.identity = {report.pid, report.start_ticks, boot_id_};
    if (report.outcome != keeper::outcome::live) {
      x.ended.emplace();
      x.ended->exit =
        report.exit.value_or(exit_status{exit_reason::spawn_failed, {}, {}});
      x.ended->at = report.ended_at;
    }
    result.push_back(std::move(x));
  }
  return result;
}

void keeper_host::goodbye() {
  send_acknowledgements();
  channel_.send_last(keeper::encode_goodbye());
}

void keeper_host::on_channel_lost(const error& why) {
  for (auto& [run, x] : runs_) {
    if (x->is_pending())
      fail_later(run, {ec::keeper_failed,
                       fmt::format("spawn '{}': {}; it is not known whether "
                                   "it began",
                                   x->request().handle_id, why.text)});
    x->watch_end();
  }
  if (options_.on_trouble)
    options_.on_trouble(why.text);
  if (on_lost_)
    later([this, why] { on_lost_(why); });
}

void keeper_host::on_report(const keeper::run_report& report,
                            keeper::frame_fds& fds) {
  auto held = held_.find(report.run_id);
  if (held != held_.end()) { // nobody has asked for it yet
    held->second.ended = report;
    return;
  }
  auto* run = find(report.run_id);
  if (run == nullptr)
    return;
  if (report.outcome == keeper::outcome::failed)
    return run->on_failed(spawn_error(run->request(), report));
  run->on_spawned(report, fds.take(0));
  if (report.outcome != keeper::outcome::live)
    run->on_exited(report.exit.value_or(exit_status{}), report.ended_at);
}

// -- beginning ----------------------------------------------------------------

void keeper_host::spawn(spawn_request what, std::shared_ptr<run_events> to) {
  auto id = what.run_id;
  if (held_.contains(id))
    return adopt(std::move(what), std::move(to));
  if (auto* known = find(id))
    return known->repeat(std::move(to));
  auto& run = *runs_
                 .emplace(id, std::make_unique<hosted_run>(
                                place_, std::move(what), std::move(to)))
                 .first->second;
  auto& request = run.request();
  if (!channel_.is_connected())
    return fail_later(
      id, spawn_error(request, {ec::keeper_failed, "there is no keeper"}));
  if (!needs_name_service(request.user, request.group))
    return launch(id, resolve_credentials(request.user, request.group));
  auto answer = std::make_shared<expected<credentials>>();
  loop_.work(
    [answer, user = request.user, group = request.group] {
      *answer = resolve_credentials(user, group);
    },
    [this, alive = is_alive_, answer, id] {
      if (*alive)
        launch(id, std::move(*answer));
    });
}

void keeper_host::launch(const run_id& id, expected<credentials> become) {
  auto* run = find(id);
  if (run == nullptr || !run->is_pending())
    return;
  auto frame = std::move(become)
                 .and_then([&](credentials who) {
                   return order_of(run->request(), std::move(who));
                 })
                 .and_then([&](keeper::spawn_order order) {
                   if (channel_.version() < 2)
                     order.log_file.clear();
                   return keeper::encode_spawn(order);
                 });
  if (!frame)
    return fail_later(id, spawn_error(run->request(), frame.error()));
  if (!channel_.is_connected())
    return fail_later(id, spawn_error(run->request(), {ec::keeper_failed,
                                                       "there is no keeper"}));
  if (!channel_.send_spawn(id, std::move(*frame)))
    return fail_later(
      id, spawn_error(run->request(), {ec::busy, "too many wait already"}));
  ++counters_.spawns;
}

void keeper_host::fail_later(const run_id& id, error why) {
  later([this, id, why = std::move(why)] {
    if (auto* run = find(id))
      run->on_failed(why);
  });
}

bool keeper_host::lend_descriptors(const run_id& id, std::vector<int>& fds) {
  auto* run = find(id);
  if (run == nullptr || !run->is_pending())
    return false;
  auto lent = run->lend_descriptors(fds);
  if (!lent)
    fail_later(id, spawn_error(run->request(), lent.error()));
  return lent.has_value();
}

void keeper_host::on_spawn_sent(const run_id& id) {
  if (auto* run = find(id))
    run->on_sent();
}

void keeper_host::adopt(spawn_request what, std::shared_ptr<run_events> to) {
  auto id = what.run_id;
  auto found = held_.find(id);
  if (found == held_.end()) {
    if (auto* known = find(id))
      return known->repeat(std::move(to));
    return later([to = std::move(to)] {
      run_exit lost;
      lost.at =
        std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
      to->exited(lost);
    });
  }
  auto row = std::move(found->second);
  held_.erase(found);
  auto& run = *runs_
                 .emplace(id, std::make_unique<hosted_run>(
                                place_, std::move(what), std::move(to)))
                 .first->second;
  auto& latest = row.latest();
  if (latest.outcome == keeper::outcome::failed)
    return fail_later(id, spawn_error(run.request(), latest));
  run.adopt(row.report, row.fds);
  if (channel_.version() >= 2)
    channel_.send(keeper::encode_set_log(
      id, run.request().output == output_mode::log ? run.request().log_file
                                                   : std::string{}));
  if (latest.outcome != keeper::outcome::live)
    later([this, report = latest] {
      keeper::frame_fds none;
      on_report(report, none);
    });
}

// -- being --------------------------------------------------------------------

void keeper_host::signal(const run_id& run, int number, signal_scope scope) {
  if (auto* x = find(run))
    x->signal(number, scope);
}

void keeper_host::watch_group(const run_id& run) {
  if (auto* x = find(run))
    x->watch_group();
}

void keeper_host::write_stdin(const run_id& run, std::string bytes,
                              std::function<void(expected<void>)> done) {
  auto* x = find(run);
  auto too_long = bytes.size() > options_.stdin_max;
  if (x != nullptr && !too_long)
    return x->write_stdin(std::move(bytes), std::move(done));
  auto code = too_long ? ec::invalid_argument : ec::not_running;
  auto why = too_long ? "too much at once" : "the process has ended";
  loop_.post([done = std::move(done), code, why] {
    done(fail(code, "stdin: {}", why));
  });
}

void keeper_host::close_stdin(const run_id& run) {
  if (auto* x = find(run))
    x->close_stdin();
}

void keeper_host::stdin_closed(const run_id& run) {
  channel_.send(keeper::encode_close_stdin({&run, 1}));
}

void keeper_host::consumed(const run_id& run, stream which, size_t bytes) {
  if (auto* x = find(run))
    x->consumed(which, bytes);
}

// -- ending -------------------------------------------------------------------

void keeper_host::acknowledge(const run_id& run) {
  held_.erase(run);
  if (auto* x = find(run))
    x->acknowledge();
  if (acknowledged_.empty())
    later([this] { send_acknowledgements(); });
  acknowledged_.push_back(run);
}

void keeper_host::send_acknowledgements() {
  if (!channel_.is_connected())
    return; // sent by `reconnect`
  auto runs = std::exchange(acknowledged_, {});
  std::span<const run_id> rest{runs};
  while (!rest.empty()) {
    auto some = rest.first(std::min(rest.size(), keeper::run_list_max));
    channel_.send(keeper::encode_acknowledge(some));
    rest = rest.subspan(some.size());
  }
}

// -- figures ------------------------------------------------------------------

uint64_t keeper_host::dropped_bytes(const run_id& run) const {
  auto found = runs_.find(run);
  return found == runs_.end() ? 0 : found->second->dropped_bytes();
}

host_counters keeper_host::counters() const {
  auto result = counters_;
  result.log_files = logs_.open_count();
  result.frames = channel_.queued();
  return result;
}

} // namespace

expected<std::unique_ptr<keeper_connection>>
make_keeper_host(event_loop& loop, keeper_options options) {
  auto boot_id = read_boot_id();
  if (!boot_id)
    return tl::make_unexpected(boot_id.error());
  auto result = std::make_unique<keeper_host>(loop, std::move(options),
                                              std::move(*boot_id));
  if (auto done = result->reconnect(); !done)
    return tl::make_unexpected(done.error());
  return result;
}

} // namespace pm
