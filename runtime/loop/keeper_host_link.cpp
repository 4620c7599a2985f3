#include "runtime/loop/keeper_host_impl.hpp"

#include <unordered_set>

#include <fcntl.h>

#include "runtime/loop/lost_runs.hpp"
#include "runtime/loop/spawn_words.hpp"
#include "runtime/os/proc_environ.hpp"

namespace pm {

// -- the keeper ---------------------------------------------------------------

keeper::keeper_start keeper_host::keeper_wanted() const {
  return {options_.state_dir, options_.keeper_path, options_.start_deadline,
          nofile_soft_};
}

expected<void> keeper_host::connect() {
  return open_keeper_link(keeper_wanted()).and_then([this](keeper_link&& link) {
    return take_link(std::move(link));
  });
}

void keeper_host::reconnect(std::function<void(expected<void>)> done) {
  if (channel_.is_connected())
    return later([done = std::move(done)] { done({}); });
  is_returning_ = true;
  auto link = std::make_shared<expected<keeper_link>>();
  loop_.work([link, how = keeper_wanted()] { *link = open_keeper_link(how); },
             [this, alive = is_alive_, link, done = std::move(done)] {
               if (!*alive)
                 return;
               is_returning_ = false;
               auto taken = std::move(*link).and_then(
                 [this](keeper_link&& x) { return take_link(std::move(x)); });
               if (!taken)
                 stay_alone(taken.error());
               done(taken);
             });
}

expected<void> keeper_host::take_link(keeper_link link) {
  to_hold_.clear(); // all that lives is looked at again
  // Read before the keeper writes of its first spawn.
  keeper::keeper_files files{options_.state_dir};
  if (auto attached = channel_.attach(link); !attached)
    return attached;
  send_respawn();                // first of all: this process may die next
  for (auto& [run, row] : held_) // of an earlier keeper, and not asked for yet
    row.is_unheld = true;
  std::unordered_set<run_id, run_id_hash> told;
  for (auto& row : link.table) {
    told.insert(row.report.run_id);
    take_row(std::move(row));
  }
  std::vector<run_id> untold;
  for (auto& [run, x] : runs_)
    if (!told.contains(run))
      untold.push_back(run);
  for (auto& run : untold)
    settle(*find(run), files);
  if (!acknowledged_.empty())
    later([this] { send_acknowledgements(); });
  return {};
}

// What the keeper's table did not say of a run that is known here.
void keeper_host::settle(hosted_run& run, const keeper::keeper_files& files) {
  auto id = run.request().run_id;
  if (run.is_pending())
    return settle_pending(run, files);
  if (!run.is_live())
    return;
  auto ended = files.exited(id);
  if (!ended)
    return give_to_keeper(id);
  later([this, id, ended = std::move(*ended)] {
    if (auto* still = find(id))
      still->on_exited(ended.exit.value_or(exit_status{}), ended.ended_at);
  });
}

// The keeper has not answered a spawn, if it was asked at all. Its child has
// recorded itself, or there is none.
void keeper_host::settle_pending(hosted_run& run,
                                 const keeper::keeper_files& files) {
  auto id = run.request().run_id;
  recorded_run what{id, {}};
  auto found = find_lost_run(what, files, boot_id_);
  if (!found && !channel_.is_connected())
    return fail_later(
      id, spawn_error(run.request(), {ec::keeper_failed, why_alone_}));
  if (!found) {
    run.begin_anew();
    return begin(id);
  }
  later([this, id, report = found->report,
         pidfd = std::make_shared<unique_fd>(found->fds.take(0))] {
    auto* begun = find(id);
    if (begun == nullptr)
      return;
    auto is_live = report.outcome == keeper::outcome::live;
    begun->on_spawned(report, is_live ? std::move(*pidfd) : unique_fd{});
    if (!is_live)
      return begun->on_exited(report.exit.value_or(exit_status{}),
                              report.ended_at);
    begun->watch_end();
    give_to_keeper(id);
  });
}

// No keeper is there, nor can one be started. What the last one has begun may
// have been recorded.
void keeper_host::stay_alone(const error& why) {
  is_returning_ = false;
  waiting_ = 0;
  why_alone_ = "there is no keeper: " + why.text;
  keeper::keeper_files files{options_.state_dir};
  for (auto& [run, x] : runs_)
    if (x->is_pending())
      settle_pending(*x, files);
}

void keeper_host::recover(const std::vector<recorded_run>& all) {
  keeper::keeper_files files{options_.state_dir};
  for (auto& x : all)
    if (!held_.contains(x.run_id) && find(x.run_id) == nullptr)
      if (auto found = find_lost_run(x, files, boot_id_))
        has_lost_a_keeper_ = held_.emplace(x.run_id, std::move(*found)).second;
  // Of side runs there is no other record: those that live were lost too.
  for (auto& run : files.unended()) {
    if (held_.contains(run) || find(run) != nullptr)
      continue;
    auto found = find_lost_run({run, {}}, files, boot_id_);
    if (found && found->report.outcome == keeper::outcome::live
        && read_process_variable(found->report.pid, side_run_variable)
             == run.str())
      held_.emplace(run, std::move(*found));
  }
}

void keeper_host::give_to_keeper(const run_id& run) {
  to_hold_.push_back(run);
  send_holds();
}

// A few at a time: descriptors under way are limited for a user.
void keeper_host::send_holds() {
  constexpr size_t holds_max = 16;
  while (speaks_2() && channel_.is_connected() && holds_under_way_ < holds_max
         && !to_hold_.empty()) {
    auto* run = find(to_hold_.front());
    to_hold_.pop_front();
    std::vector<unique_fd> fds;
    auto order =
      run != nullptr && run->is_live() ? run->hold(fds) : std::nullopt;
    if (!order)
      continue;
    ++holds_under_way_;
    channel_.send_with({keeper::encode_hold(*order), unique_fd{}},
                       std::move(fds));
  }
}

void keeper_host::on_holding() {
  if (holds_under_way_ > 0)
    --holds_under_way_;
  send_holds();
}

void keeper_host::ready(node_command how) {
  respawn_ = std::move(how);
  send_respawn();
}

// What a keeper has to know for the case that this process dies.
void keeper_host::send_respawn() {
  if (!respawn_ || !speaks_2())
    return;
  keeper::spawn_order order;
  order.argv = respawn_->argv;
  order.environment = respawn_->environment;
  order.working_dir = respawn_->working_dir;
  auto frame = keeper::encode_respawn(std::move(order));
  std::vector<unique_fd> stdio;
  for (int fd = 0; fd < 3; ++fd) {
    unique_fd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    if (!copy)
      copy.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
    stdio.push_back(std::move(copy));
  }
  if (frame)
    channel_.send_with(std::move(*frame), std::move(stdio));
  else if (options_.on_trouble)
    options_.on_trouble("the keeper cannot start this node again: "
                        + frame.error().text);
  channel_.send(keeper::encode_ready());
}

// Of a run that this host knows, only the end is news.
void keeper_host::take_row(held_row row) {
  auto run = row.report.run_id;
  if (find(run) != nullptr) {
    auto shared = std::make_shared<held_row>(std::move(row));
    return later([this, shared] { on_report(shared->report, shared->fds); });
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
    x.keeper_bytes = report.moved_bytes;
    if (report.outcome != keeper::outcome::live) {
      x.ended.emplace();
      x.ended->exit = report.exit.value_or(exit_status{});
      if (report.outcome == keeper::outcome::failed)
        x.ended->exit.reason = exit_reason::spawn_failed;
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

bool keeper_host::replace_keeper(const std::string& path) {
  if (channel_.version() < 3)
    return false;
  send_acknowledgements();
  channel_.send_last(keeper::encode_replace(path));
  return true;
}

void keeper_host::on_channel_lost(const error& why) {
  is_returning_ = static_cast<bool>(on_lost_);
  has_lost_a_keeper_ = true;
  waiting_ = 0;
  to_hold_.clear();
  holds_under_way_ = 0;
  for (auto& [run, x] : runs_)
    x->watch_end();
  if (!is_returning_)
    stay_alone(why);
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

// -- acknowledging ------------------------------------------------------------

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

} // namespace pm
