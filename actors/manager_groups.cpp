#include "actors/manager.hpp"

#include <algorithm>

#include <caf/send.hpp>

#include <fmt/ranges.h>

// Several processes at once: stops in order, restarts one by one, and the end
// of them all.

namespace pm {

named_outcome manager_state::done_outcome(const std::string& id,
                                          const change_outcome& what) {
  named_outcome result;
  result.handle_id = id;
  result.outcome = what;
  return result;
}

named_outcome manager_state::failed_outcome(const std::string& id,
                                            const error& why) {
  named_outcome result;
  result.handle_id = id;
  result.error = why;
  return result;
}

// -- stopping -----------------------------------------------------------------

caf::result<std::vector<named_outcome>>
manager_state::stop_several(const std::vector<std::string>& ids, bool force,
                            request_context by) {
  prepare(by);
  auto promise = self_->make_response_promise<outcomes>();
  auto all = ids;
  for (auto& id : ids)
    for (auto& other : stopped_with(id))
      if (std::find(all.begin(), all.end(), other) == all.end())
        all.push_back(other);
  auto count = ids.size();
  auto wait = std::exchange(by.wait, true);
  stop_group(
    all, count, force, by, [promise, wait, count](outcomes results) mutable {
      results.resize(std::min(results.size(), count)); // those that were named
      if (wait)
        promise.deliver(std::move(results));
    });
  if (!wait) {
    outcomes accepted;
    for (auto& id : ids) {
      auto* x = find(id);
      accepted.push_back(x == nullptr ? failed_outcome(id, from_caf(nobody(id)))
                                      : done_outcome(id, {true, view_of(*x)}));
    }
    promise.deliver(std::move(accepted));
  }
  return promise;
}

// Stops the others that are to be stopped with it, then the process itself.
manager_state::outcome manager_state::stop_with(const std::string& id,
                                                std::vector<std::string> others,
                                                bool force,
                                                request_context by) {
  auto promise = self_->make_response_promise<change_outcome>();
  others.insert(others.begin(), id);
  auto wait = std::exchange(by.wait, true);
  stop_group(others, 1, force, by, [promise, wait](outcomes results) mutable {
    if (!wait)
      return;
    auto& own = results.front();
    if (own.error.code != ec::none)
      promise.deliver(to_caf(own.error));
    else
      promise.deliver(std::move(own.outcome));
  });
  if (!wait)
    promise.deliver(change_outcome{true, as_it_is(id).process});
  return promise;
}

// Stops each one after those of the group that depend on it; all at once by
// force. The first `asked_count` were asked for, the others go with them.
void manager_state::stop_group(const std::vector<std::string>& ids,
                               size_t asked_count, bool force,
                               const request_context& by,
                               std::function<void(outcomes)> done) {
  auto group = std::make_shared<group_stop>(group_stop{stop_order{graph_, ids},
                                                       asked_count,
                                                       force,
                                                       by,
                                                       {},
                                                       {},
                                                       {},
                                                       0,
                                                       std::move(done)});
  for (auto& id : ids)
    if (group->places.emplace(id, group->results.size()).second)
      group->results.push_back(failed_outcome(id, {}));
  group->left = group->places.size();
  if (group->left == 0)
    return group->done({});
  auto first = group->order.first();
  for (auto& id : ids) { // nobody depends on what is down
    auto* x = find(id);
    if (force || x == nullptr || !is_alive(x->record.state.status))
      first.push_back(id);
  }
  for (auto& id : first)
    stop_next(group, id);
}

void manager_state::stop_next(const std::shared_ptr<group_stop>& group,
                              const std::string& id) {
  if (!group->told.insert(id).second)
    return;
  auto* found = find(id);
  if (found == nullptr)
    return group_member_over(group, id,
                             failed_outcome(id, from_caf(nobody(id))));
  auto by = group->by;
  if (by.cause != cause::shutdown && is_repeated(id, by)
      && !is_alive(found->record.state.status))
    return group_member_over(group, id, done_outcome(id, as_it_is(id)));
  if (group->places.at(id) >= group->asked_count)
    by.cause = cause::dependency;
  self_
    ->request(found->supervisor, caf::infinite, stop_atom::value, group->force,
              std::move(by))
    .then(
      [this, group, id](const change_outcome& outcome) {
        group_member_over(group, id, done_outcome(id, outcome));
      },
      [this, group, id](const caf::error& why) {
        group_member_over(group, id, failed_outcome(id, from_caf(why)));
      });
}

void manager_state::group_member_over(const std::shared_ptr<group_stop>& group,
                                      const std::string& id,
                                      named_outcome result) {
  group->results[group->places.at(id)] = std::move(result);
  if (--group->left == 0)
    return group->done(std::move(group->results));
  if (!group->force)
    for (auto& next : group->order.ended(id))
      stop_next(group, next);
}

// -- rolling restarts ---------------------------------------------------------

caf::result<std::vector<named_outcome>>
manager_state::restart_rolling(std::vector<std::string> ids, bool force,
                               uint64_t ready_within_ms, request_context by) {
  if (going_down_)
    return refuse_start("restart");
  prepare(by);
  by.wait = true;
  auto promise = self_->make_response_promise<outcomes>();
  auto number = ++rolling_number_;
  auto& x = rolling_[number];
  x.ids = std::move(ids);
  x.force = force;
  x.ready_within = milliseconds{ready_within_ms};
  x.by = std::move(by);
  x.promise = promise;
  roll(number);
  return promise;
}

// Goes on with the next one.
void manager_state::roll(uint64_t number) {
  auto& x = rolling_.at(number);
  if (x.at > 0) { // what has fallen over since is a failure too
    auto* before = find(x.ids[x.at - 1]);
    if (before == nullptr || before->record.state.status != status::running) {
      --x.at;
      x.results.pop_back();
      return roll_fails(number, {ec::not_running, "it did not stay up"});
    }
  }
  if (x.at == x.ids.size()) {
    x.promise.deliver(std::move(x.results));
    rolling_.erase(number);
    return;
  }
  auto& id = x.ids[x.at];
  auto* found = find(id);
  if (found == nullptr)
    return roll_fails(number, from_caf(nobody(id)));
  auto by = x.by;
  x.is_timed = false;
  if (is_repeated(id, by)) // begun before this node
    return await_ready(number);
  start_needs(id, by);
  auto then = [this, number](const change_outcome&) { await_ready(number); };
  self_
    ->request(found->supervisor, caf::infinite, restart_atom::value, x.force,
              std::move(by))
    .then(then, [this, number](const caf::error& why) {
      roll_fails(number, from_caf(why));
    });
  tell_waiters(id);
}

void manager_state::await_ready(uint64_t number) {
  auto found = rolling_.find(number);
  if (found == rolling_.end())
    return;
  found->second.awaits_ready = true;
  begin_time(number, found->second);
  // It may have changed since that was said.
  if (auto* now_is = find(found->second.ids[found->second.at]))
    rolled(number, view_of(*now_is));
  else
    roll_fails(number, {ec::no_such_process, "it was removed"});
}

void manager_state::begin_time(uint64_t number, rolling_restart& x) {
  if (!std::exchange(x.is_timed, true))
    self_->delayed_send(self_, x.ready_within, give_up_atom::value, number,
                        static_cast<uint64_t>(x.at));
}

// The process that it waits for has changed.
void manager_state::rolled(uint64_t number, const process_view& view) {
  auto found = rolling_.find(number);
  if (found == rolling_.end())
    return;
  auto& x = found->second;
  if (x.at >= x.ids.size() || x.ids[x.at] != view.handle_id)
    return;
  if (view.status == status::pending)
    return begin_time(number, x); // no answer comes while it waits for another
  if (!x.awaits_ready)
    return;
  if (view.status == status::running && view.ready) {
    x.awaits_ready = false;
    x.results.push_back(done_outcome(view.handle_id, {true, view}));
    ++x.at;
    return roll(number);
  }
  if (!is_alive(view.status))
    roll_fails(number, {ec::not_running,
                        fmt::format("it is {} and was not ready before{}{}",
                                    to_string(view.status),
                                    view.status_text.empty() ? "" : ": ",
                                    view.status_text)});
}

void manager_state::not_ready_in_time(uint64_t number, uint64_t at) {
  auto found = rolling_.find(number);
  if (found != rolling_.end() && found->second.at == at)
    roll_fails(
      number,
      {ec::timeout, fmt::format("it is not ready within {}",
                                format_duration(found->second.ready_within))});
}

void manager_state::roll_fails(uint64_t number, error why) {
  auto found = rolling_.find(number);
  if (found == rolling_.end())
    return;
  auto x = std::move(found->second);
  rolling_.erase(found);
  auto& failed = x.ids[x.at];
  why.text = fmt::format("restart '{}': {}", failed, why.text);
  x.results.push_back(failed_outcome(failed, std::move(why)));
  for (size_t i = x.at + 1; i < x.ids.size(); ++i)
    x.results.push_back(failed_outcome(
      x.ids[i], {ec::cancelled,
                 fmt::format("restart '{}': not done, since '{}' has failed; "
                             "it runs on as it was",
                             x.ids[i], failed)}));
  x.promise.deliver(std::move(x.results));
}

// -- shutdown -----------------------------------------------------------------

caf::result<bool> manager_state::shutdown(bool leave_running, bool hurry) {
  auto promise = self_->make_response_promise<bool>();
  auto first = !going_down_;
  going_down_ = true;
  if (leave_running && first) {
    self_->request(on_->registry, caf::infinite, sync_atom::value, uint64_t{0})
      .then([promise](uint64_t) mutable { promise.deliver(true); },
            [promise](const caf::error& why) mutable { promise.deliver(why); });
    return promise;
  }
  shutdown_promises_.push_back(promise);
  request_context by;
  by.cause = cause::shutdown;
  prepare(by);
  std::vector<std::string> ids;
  for (auto& [id, x] : entries_) {
    ids.push_back(id);
    // Those that the first request still holds up go now.
    if (hurry && !first)
      caf::anon_send(x.supervisor, stop_atom::value, true, by);
  }
  if (first)
    stop_group(ids, ids.size(), hurry, by,
               [this](const outcomes& results) { all_down(results); });
  return promise;
}

// All have ended, or are given up on: the node ends either way.
void manager_state::all_down(const outcomes& results) {
  std::vector<std::string> left;
  for (auto& x : results)
    if (x.error.code == ec::timeout)
      left.push_back(x.error.text);
  caf::error why;
  if (!left.empty())
    why =
      to_caf({ec::timeout,
              fmt::format("shutdown: {} of {} could not be ended, and the "
                          "node ends all the same: {}",
                          left.size(), results.size(), fmt::join(left, "; "))});
  auto answer = [this, why](const caf::error& failed) {
    for (auto& promise : shutdown_promises_)
      if (failed || why)
        promise.deliver(failed ? failed : why);
      else
        promise.deliver(true);
    shutdown_promises_.clear();
  };
  self_->request(on_->registry, caf::infinite, mark_atom::value, true)
    .then([answer](uint64_t) { answer({}); },
          [answer](const caf::error& failed) { answer(failed); });
}

} // namespace pm
