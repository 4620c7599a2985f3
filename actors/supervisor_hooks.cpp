#include "actors/supervisor.hpp"

#include <algorithm>
#include <csignal>

#include <caf/send.hpp>

#include "actors/side_run.hpp"

// Hooks: commands before and after a run. And how a run ends when others run
// beside it: they are ended first, so that nothing of it is left behind.

namespace pm {

namespace {

// What is left beside an ended run is killed, and waited for so long.
constexpr milliseconds beside_patience{2000};

} // namespace

// False if there is none for this moment.
bool supervisor_state::begin_hook(hook_moment moment) {
  auto* hook = find_hook(spec(), moment);
  if (hook == nullptr)
    return false;
  auto run = begin_hook_run(
    *on_, record_, *hook,
    [me = supervisor_actor{self_}](const run_id& ended, bool good,
                                   std::string text) {
      caf::anon_send(me, hook_atom::value, ended.str(), good, std::move(text));
    });
  hooks_.push_back({run, moment, hook->timeout, false, false});
  self_->delayed_send(self_, hook->timeout, hook_atom::value, run.str());
  return true;
}

// Their ends are waited for as others are.
void supervisor_state::kill_hooks(bool even_post_stop) {
  for (auto& x : hooks_)
    if (x.moment != hook_moment::post_stop || even_post_stop) {
      x.is_killed = true;
      on_->host->signal(x.run, SIGKILL, signal_scope::whole_tree);
    }
}

void supervisor_state::hook_overdue(const std::string& run) {
  for (auto& x : hooks_)
    if (x.run.str() == run) {
      x.is_overdue = true;
      on_->host->signal(x.run, SIGKILL, signal_scope::whole_tree);
    }
}

void supervisor_state::hook_ended(const std::string& run, bool good,
                                  std::string text) {
  auto found = std::find_if(hooks_.begin(), hooks_.end(),
                            [&](auto& x) { return x.run.str() == run; });
  if (found == hooks_.end()) { // it was not waited for any longer
    if (auto late = run_id::parse(run))
      on_->host->acknowledge(*late);
    return;
  }
  auto hook = *found;
  hooks_.erase(found);
  on_->host->acknowledge(hook.run);
  std::string failure;
  if (!good && hook.is_killed)
    failure = "it was ended by a stop";
  else if (!good && hook.is_overdue)
    failure = fmt::format("no end within {}", format_duration(hook.timeout));
  else if (!good)
    failure = std::move(text);
  if (!failure.empty())
    failure = fmt::format("hook {}: {}", to_string(hook.moment), failure);
  if (hook.moment == hook_moment::pre_start)
    return pre_start_ended(failure);
  if (!failure.empty() && !hook.is_killed)
    note_trouble(std::move(failure));
  if (is_over_)
    return go_on_concluding();
  if (hook.moment == hook_moment::pre_stop && !forced_
      && record_.state.status == status::stopping)
    begin_stop_steps();
}

// It is told, and what it is about goes on.
void supervisor_state::note_trouble(std::string text) {
  auto& state = record_.state;
  process_event event;
  event.time = now();
  event.handle_id = id();
  event.run_id = state.run_id.str();
  event.correlation_id = state.asked.correlation_id;
  event.from = event.to = state.status;
  event.cause = state.asked.cause;
  event.text = text;
  self_->send(manager_, report_atom::value, std::move(event));
  if (state.status == status::running && !is_over_) {
    state.status_text = std::move(text);
    return keep_intent();
  }
  stop_text_ += stop_text_.empty() ? text : "; " + text;
}

// -- before a run -------------------------------------------------------------

// The intent is on record: what comes first begins.
void supervisor_state::begin_spawn() {
  is_unborn_ = false;
  if (!begin_hook(hook_moment::pre_start))
    spawn();
}

error supervisor_state::stopped_before() const {
  return {ec::cancelled,
          fmt::format("start '{}': it was stopped before it began", id())};
}

void supervisor_state::pre_start_ended(const std::string& failure) {
  auto& state = record_.state;
  if (state.status == status::stopping)
    fail_spawn(stopped_before());
  else if (state.status == status::starting && failure.empty())
    spawn();
  else if (state.status == status::starting)
    fail_spawn({ec::spawn_failed, failure});
}

// -- after a run --------------------------------------------------------------

bool supervisor_state::has_runs_beside() const {
  return !hooks_.empty() || stop_command_
         || std::any_of(asking_.begin(), asking_.end(),
                        [](auto& x) { return x.cancel && x.is_command; });
}

// The process has been reaped. What runs beside it ends, then comes post_stop.
void supervisor_state::conclude(run_exit how) {
  exit_ = std::make_unique<run_exit>(std::move(how));
  is_over_ = true;
  post_stop_done_ = false;
  kill_hooks(true);
  end_probes();
  if (stop_command_)
    on_->host->signal(*stop_command_, SIGKILL, signal_scope::whole_tree);
  if (has_runs_beside())
    self_->delayed_send(self_, beside_patience, hook_atom::value,
                        ++concluding_);
  go_on_concluding();
  if (is_over_)
    publish(record_.state.status); // it is not ready any more
}

void supervisor_state::go_on_concluding() {
  if (!is_over_ || has_runs_beside())
    return;
  ++concluding_;
  if (!std::exchange(post_stop_done_, true)
      && begin_hook(hook_moment::post_stop))
    return;
  is_over_ = false;
  auto how = std::move(*exit_);
  exit_.reset();
  finish(std::move(how));
}

// What cannot be killed holds nothing up. Its end, should it come, is for the
// next node to acknowledge.
void supervisor_state::stop_waiting_beside(uint64_t number) {
  if (number != concluding_ || !is_over_ || !has_runs_beside())
    return;
  hooks_.clear();
  stop_command_.reset();
  asking_ = {};
  go_on_concluding();
}

} // namespace pm
