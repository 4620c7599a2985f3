#include "actors/manager.hpp"

#include <algorithm>

#include <pm/dependency_cycle.hpp>
#include <pm/json.hpp>

#include "actors/supervisor.hpp"

// What a configuration changes, and doing so; and how many replicas run. The
// accepted configuration is on disk before anything changes, so that a node
// that dies in the middle goes on with it.

namespace pm {

namespace {

// As the configuration has it.
std::string quoted_name(cgroup_mode x) {
  return x == cgroup_mode::if_cheap ? std::string{"\"auto\""}
                                    : fmt::format("\"{}\"", to_string(x));
}

// True if another command, environment and so on makes a process of this
// status begin anew: it runs, or would if what it ran had not failed.
bool begins_anew(status x, const process_spec& spec) {
  return is_alive(x) || x == status::backoff
         || (x == status::failed && spec.autostart);
}

} // namespace

// -- diff ---------------------------------------------------------------------

config_diff manager_state::diff(const accepted_config& config) const {
  config_diff result;
  result.path = config.path;
  if (config.start_concurrency_max != accepted_.start_concurrency_max)
    result.node.push_back(
      {"start_concurrency_max", std::to_string(accepted_.start_concurrency_max),
       std::to_string(config.start_concurrency_max), false});
  if (config.name != accepted_.name)
    result.node.push_back({"name", fmt::format("\"{}\"", accepted_.name),
                           fmt::format("\"{}\"", config.name), true});
  if (config.cgroups != accepted_.cgroups)
    result.node.push_back({"cgroups", quoted_name(accepted_.cgroups),
                           quoted_name(config.cgroups), true});
  std::set<std::string> named;
  for (auto& definition : config.processes) {
    auto& id = definition.handle_id;
    named.insert(id);
    auto found = entries_.find(id);
    if (found == entries_.end()) {
      result.processes.push_back({id, config_change::added, {}, false});
      continue;
    }
    auto& record = found->second.record;
    auto keys = changed_keys(record.definition, definition);
    if (keys.empty()) {
      ++result.unchanged;
      continue;
    }
    // What waits for its next time begins at once when it has none any more.
    auto is_due = record.state.wanted && record.state.awaits_due
                  && !definition.spec.schedule;
    auto restarts = is_due
                    || (begins_anew(record.state.status, definition.spec)
                        && std::any_of(keys.begin(), keys.end(),
                                       [](auto& x) { return x.restarts; }));
    result.processes.push_back(
      {id, config_change::changed, std::move(keys), restarts});
  }
  for (auto& [id, x] : entries_)
    if (x.record.definition.origin == origin::config && !named.contains(id))
      result.processes.push_back({id, config_change::removed, {}, false});
  std::sort(result.processes.begin(), result.processes.end(),
            [](auto& a, auto& b) { return a.handle_id < b.handle_id; });
  return result;
}

// -- gathering outcomes -------------------------------------------------------

void manager_state::gathered(const std::shared_ptr<gathering>& to,
                             named_outcome result) {
  if (!result.handle_id.empty())
    to->results.push_back(std::move(result));
  if (--to->left == 0)
    to->done(std::move(to->results));
}

// Sends one request to a supervisor, and keeps what comes of it.
template <class... Ts>
void manager_state::gather(const std::shared_ptr<gathering>& to,
                           const std::string& id, const Ts&... message) {
  auto* found = find(id);
  if (found == nullptr)
    return;
  ++to->left;
  self_->request(found->supervisor, caf::infinite, message...)
    .then(
      [this, to, id](const change_outcome& outcome) {
        gathered(to, done_outcome(id, outcome));
      },
      [this, to, id](const caf::error& why) {
        gathered(to, failed_outcome(id, from_caf(why)));
      });
}

// Stops them in order, then forgets them.
void manager_state::remove_all(const std::vector<std::string>& ids,
                               const request_context& by,
                               std::function<void(outcomes)> done) {
  stop_group(ids, ids.size(), false, by,
             [this, by, done = std::move(done)](const outcomes& stopped) {
               auto all = std::make_shared<gathering>();
               all->done = done;
               all->left = 1; // for this function
               for (auto& x : stopped)
                 if (x.error.code == ec::none)
                   gather(all, x.handle_id, remove_atom::value, by);
                 else
                   all->results.push_back(x);
               gathered(all, {});
             });
}

// -- apply --------------------------------------------------------------------

void manager_state::keep_accepted(std::function<void(const error*)> then) {
  self_
    ->request(on_->registry, caf::infinite, keep_atom::value,
              std::string{accepted_config_name}, to_json(accepted_))
    .then([then](bool) { then(nullptr); },
          [then](const caf::error& why) {
            auto ours = from_caf(why);
            then(&ours);
          });
}

caf::result<apply_report> manager_state::apply(accepted_config config,
                                               request_context by) {
  if (going_down_)
    return refuse_start("apply");
  if (is_applying_ && resumed_ && !resumed_->promise
      && resumed_->processes == config.processes) {
    // Its node has died meanwhile, and this one goes on with it.
    auto promise = self_->make_response_promise<apply_report>();
    resumed_->promise = promise;
    return promise;
  }
  if (is_applying_)
    return to_caf({ec::busy, "apply: another configuration is being applied, "
                             "and what it leaves out is being stopped; nothing "
                             "has changed"});
  if (!scaling_.empty())
    return to_caf({ec::busy, fmt::format("apply: '{}' is being scaled; nothing "
                                         "has changed",
                                         scaling_.begin()->first)});
  prepare(by);
  by.cause = cause::config;
  by.request_id.clear();
  auto promise = self_->make_response_promise<apply_report>();
  auto run = std::make_shared<apply_run>();
  run->promise = promise;
  run->number = ++apply_number_;
  is_applying_ = true;
  resumed_.reset();
  auto of_node = diff(config).node; // as long as the old one is there
  auto before = std::exchange(accepted_, config);
  accepted_.applied = false;
  accepted_.accepted_at = on_->now();
  auto whole = std::make_shared<const accepted_config>(std::move(config));
  keep_accepted([this, before, whole, by, run, of_node](const error* why) {
    if (why != nullptr) {
      accepted_ = before;
      return apply_fails(
        run, {why->code, fmt::format("apply: the configuration could not be "
                                     "kept ({}); nothing has changed",
                                     why->text)});
    }
    run->report.diff = diff(*whole);
    run->report.diff.node = of_node;
    apply_removed(run, whole, by);
  });
  return promise;
}

void manager_state::apply_fails(const std::shared_ptr<apply_run>& run,
                                const error& why) {
  is_applying_ = false;
  if (run->promise)
    run->promise->deliver(to_caf(why));
}

// Gone ones first: new ones may want what they hold.
void manager_state::apply_removed(std::shared_ptr<apply_run> run,
                                  std::shared_ptr<const accepted_config> config,
                                  request_context by) {
  std::vector<std::string> gone;
  for (auto& x : run->report.diff.processes)
    if (x.change == config_change::removed)
      gone.push_back(x.handle_id);
  auto waiting = by;
  waiting.wait = true;
  remove_all(gone, waiting, [this, run, config, by](const outcomes& results) {
    run->report.outcomes = results;
    apply_rest(run, config, by);
  });
}

void manager_state::apply_rest(std::shared_ptr<apply_run> run,
                               std::shared_ptr<const accepted_config> config,
                               request_context by) {
  if (going_down_)
    return apply_fails(run, {ec::shutting_down,
                             "apply: the node is shutting down; the next one "
                             "goes on with this configuration"});
  accepted_.start_concurrency_max = config->start_concurrency_max;
  if (static_cast<size_t>(config->start_concurrency_max) != starts_max_)
    limit_starts(config->start_concurrency_max);
  std::map<std::string, const process_definition*> wanted;
  for (auto& definition : config->processes)
    wanted.emplace(definition.handle_id, &definition);
  auto all = std::make_shared<gathering>();
  all->left = 1; // for this function
  all->done = [this, run](outcomes results) {
    for (auto& x : results)
      run->report.outcomes.push_back(std::move(x));
    apply_done(run);
  };
  // A gate can only be right when all dependencies are known.
  for (auto& x : run->report.diff.processes)
    if (x.change != config_change::removed)
      link(*wanted.at(x.handle_id));
  std::set<std::string> added;
  for (auto& x : run->report.diff.processes)
    if (x.change != config_change::removed && find(x.handle_id) == nullptr) {
      auto& definition = *wanted.at(x.handle_id); // gone meanwhile, it is back
      add_new(definition, false).is_asked_for = definition.spec.autostart;
      added.insert(x.handle_id);
    }
  for (auto& x : run->report.diff.processes) {
    auto& id = x.handle_id;
    if (x.change == config_change::removed)
      continue;
    auto& definition = *wanted.at(id);
    auto* known = find(id);
    auto starts = added.contains(id) && definition.spec.autostart;
    auto restarts =
      x.restarts && begins_anew(known->record.state.status, definition.spec);
    if (!starts && !restarts) {
      gather(all, id, define_atom::value, definition, by);
      continue;
    }
    self_->send(known->supervisor, define_atom::value, definition);
    known->is_asked_for = starts;
    if (starts)
      gather(all, id, start_atom::value, by);
    else
      gather(all, id, restart_atom::value, false, by);
    start_needs(id, by);
  }
  for (auto& x : run->report.diff.processes)
    tell_waiters(x.handle_id);
  is_applying_ = false;
  gathered(all, {});
}

void manager_state::apply_done(std::shared_ptr<apply_run> run) {
  auto& outcomes = run->report.outcomes;
  std::sort(outcomes.begin(), outcomes.end(),
            [](auto& a, auto& b) { return a.handle_id < b.handle_id; });
  auto answer = [run](const error*) {
    if (run->promise)
      run->promise->deliver(std::move(run->report));
  };
  if (run->number != apply_number_)
    return answer(nullptr); // a newer one has taken its place
  accepted_.applied = true;
  accepted_.processes.clear(); // the registry has them
  // Not kept, it is applied again by the next node: that changes nothing.
  keep_accepted(answer);
}

// -- scale --------------------------------------------------------------------

// Starts one more of those that `pattern` is one of.
void manager_state::add_replica(const std::shared_ptr<gathering>& all,
                                const std::string& name, int number,
                                const process_definition& pattern,
                                const request_context& by) {
  auto definition = pattern;
  auto id = fmt::format("{}.{}", name, number);
  definition.handle_id = id;
  definition.spec.replica = number;
  if (find(id) != nullptr) {
    ++all->left;
    return gathered(all, failed_outcome(id, {ec::already_exists,
                                             fmt::format("scale '{}': another "
                                                         "process has the name "
                                                         "'{}'",
                                                         name, id)}));
  }
  auto& added = add_new(definition, false);
  added.is_asked_for = true;
  self_->send(added.supervisor, define_atom::value, added.record.definition);
  gather(all, id, start_atom::value, by);
  start_needs(id, by);
  tell_waiters(id);
}

caf::result<std::vector<named_outcome>>
manager_state::scale(const std::string& name, uint64_t count,
                     request_context by) {
  constexpr uint64_t replicas_max = 10'000;
  if (count == 0 || count > replicas_max)
    return to_caf({ec::invalid_argument,
                   fmt::format("scale '{}': {} replicas; 1 to {} can run, and "
                               "'stop' stops them all",
                               name, count, replicas_max)});
  prepare(by);
  auto promise = self_->make_response_promise<outcomes>();
  scale_in_turn(name, count, std::move(by), promise);
  return promise;
}

// One after the other, and so the last one counts: each looks at what the one
// before has left.
void manager_state::scale_in_turn(
  const std::string& name, uint64_t count, request_context by,
  caf::typed_response_promise<outcomes> promise) {
  if (auto busy = scaling_.find(name); busy != scaling_.end()) {
    busy->second.push_back([this, name, count, by, promise] {
      scale_in_turn(name, count, by, promise);
    });
    return;
  }
  if (going_down_) {
    promise.deliver(refuse_start("scale"));
    return;
  }
  std::map<int, std::string> known;
  for (auto& id : graph_.members(name))
    if (auto* x = find(id);
        x != nullptr && x->record.definition.spec.replica > 0 && id != name)
      known.emplace(x->record.definition.spec.replica, id);
  if (known.empty()) {
    promise.deliver(
      find(name) == nullptr
        ? nobody(name)
        : to_caf({ec::invalid_argument,
                  fmt::format("scale '{}': it has no replicas; give it "
                              "'replicas' in its definition",
                              name)}));
    return;
  }
  auto all = std::make_shared<gathering>();
  all->left = 1; // for this function
  all->done = [promise](outcomes results) mutable {
    std::sort(results.begin(), results.end(),
              [](auto& a, auto& b) { return a.handle_id < b.handle_id; });
    promise.deliver(std::move(results));
  };
  auto pattern = find(known.begin()->second)->record.definition;
  for (int i = 1; i <= static_cast<int>(count); ++i)
    if (!known.contains(i))
      add_replica(all, name, i, pattern, by);
    else if (auto* x = find(known[i]); is_down_for_good(x->record.state))
      gather(all, known[i], start_atom::value, by);
  std::vector<std::string> surplus;
  for (auto& [number, id] : known)
    if (static_cast<uint64_t>(number) > count)
      surplus.push_back(id);
  if (surplus.empty())
    return gathered(all, {});
  scaling_[name]; // what comes meanwhile waits
  auto waiting = by;
  waiting.wait = true;
  remove_all(surplus, waiting, [this, all, name](const outcomes& results) {
    for (auto& x : results)
      all->results.push_back(x);
    gathered(all, {});
    auto next = scaling_.extract(name);
    for (auto& go_on : next.mapped())
      go_on();
  });
}

} // namespace pm
