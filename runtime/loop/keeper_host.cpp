#include "runtime/loop/keeper_host_impl.hpp"

#include "runtime/loop/spawn_words.hpp"
#include "runtime/os/proc.hpp"

namespace pm {

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
  if (!channel_.is_connected() && !is_returning())
    return fail_later(
      id, spawn_error(run.request(), {ec::keeper_failed, why_alone_}));
  if (channel_.is_connected())
    return begin(id);
  // Once there is a keeper.
  if (++waiting_ > options_.spawn_queue_max)
    fail_later(id,
               spawn_error(run.request(), {ec::busy, "too many wait already"}));
}

void keeper_host::begin(const run_id& id) {
  auto& request = find(id)->request();
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
                   if (!speaks_2())
                     order.log_file.clear();
                   if (channel_.version() >= 3 && !place_.cgroup_home.empty())
                     if (auto made = run->enter_cgroup(order); !made)
                       return expected<keeper::outgoing_frame>{
                         tl::make_unexpected(made.error())};
                   return keeper::encode_spawn(order);
                 });
  if (!frame)
    return fail_later(id, spawn_error(run->request(), frame.error()));
  if (!channel_.is_connected()) {
    if (!is_returning())
      fail_later(id,
                 spawn_error(run->request(), {ec::keeper_failed, why_alone_}));
    return;
  }
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
    recover({{id, what.identity, what.foreign}});
    found = held_.find(id);
  }
  if (found == held_.end())
    return later([to = std::move(to)] {
      run_exit lost;
      lost.at =
        std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
      to->exited(lost);
    });
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
  if (row.is_unheld && latest.outcome == keeper::outcome::live) {
    run.watch_end();
    give_to_keeper(id);
  } else if (speaks_2() && !row.is_unheld) {
    channel_.send(keeper::encode_set_log(
      id, run.request().output == output_mode::log ? run.request().log_file
                                                   : std::string{}));
  }
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

void keeper_host::collect(const run_id& run,
                          std::function<void(run_output)> done) {
  auto* x = find(run);
  done(x != nullptr ? x->collect() : run_output{});
}

void keeper_host::consumed(const run_id& run, stream which, size_t bytes) {
  if (auto* x = find(run))
    x->consumed(which, bytes);
}

// -- ending -------------------------------------------------------------------

void keeper_host::limit(const run_id& run, const run_limits& allowed) {
  if (auto* x = find(run))
    x->limit(allowed);
}

void keeper_host::acknowledge(const run_id& run) {
  held_.erase(run);
  if (auto* x = find(run))
    x->acknowledge();
  if (acknowledged_.empty())
    later([this] { send_acknowledgements(); });
  acknowledged_.push_back(run);
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

expected<std::unique_ptr<keeper_connection>>
make_keeper_host(event_loop& loop, keeper_options options) {
  auto boot_id = read_boot_id();
  if (!boot_id)
    return tl::make_unexpected(boot_id.error());
  auto result = std::make_unique<keeper_host>(loop, std::move(options),
                                              std::move(*boot_id));
  if (auto done = result->connect(); !done)
    return tl::make_unexpected(done.error());
  return result;
}

} // namespace pm
