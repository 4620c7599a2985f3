#include "test/support/fake_host.hpp"

#include <csignal>
#include <stdexcept>

namespace pm::test {

fake_host::child& fake_host::last(const std::string& handle_id) {
  auto found = runs_.find(handle_id);
  if (found == runs_.end())
    throw std::logic_error("no run of " + handle_id);
  return children_.at(found->second.back());
}

bool fake_host::is_alive(const std::string& handle_id) const {
  auto found = runs_.find(handle_id);
  return found != runs_.end() && children_.at(found->second.back()).alive;
}

size_t fake_host::alive_count() const {
  size_t count = 0;
  for (auto& [run, x] : children_)
    count += x.alive;
  return count;
}

size_t fake_host::spawn_count(const std::string& handle_id) const {
  auto found = runs_.find(handle_id);
  return found == runs_.end() ? 0 : found->second.size();
}

fake_host::child* fake_host::find(const run_id& run) {
  auto found = children_.find(run.str());
  return found == children_.end() ? nullptr : &found->second;
}

void fake_host::begin(child& x) {
  x.alive = true;
  x.group = leaves_group;
  size_t copies = 0;
  for (auto& run : runs_[x.request.handle_id])
    copies += children_.at(run).alive;
  copies_max = std::max(copies_max, copies);
}

void fake_host::spawn(spawn_request what, std::shared_ptr<run_events> to) {
  if (!spawn_error.empty()) {
    to->spawn_failed({ec::spawn_failed, spawn_error});
    return;
  }
  auto run = what.run_id.str();
  runs_[what.handle_id].push_back(run);
  auto& x = children_[run];
  x.request = std::move(what);
  x.events = std::move(to);
  x.who = {next_pid_++, 42, "boot"};
  if (spawn_at_once)
    finish_spawn(x);
}

void fake_host::finish_spawn(child& x) {
  begin(x);
  x.events->spawned(x.who, now);
  if (kernel_limits)
    limit(x.request.run_id, x.request.allowed);
}

void fake_host::adopt(spawn_request what, std::shared_ptr<run_events> to) {
  auto run = what.run_id.str();
  adopted.push_back(what.handle_id);
  runs_[what.handle_id].push_back(run);
  auto& x = children_[run];
  x.request = std::move(what);
  x.events = std::move(to);
  begin(x);
}

void fake_host::end(child& x, exit_status how, bool over_memory) {
  if (!x.alive)
    return;
  x.alive = false;
  run_exit event;
  event.exit = how;
  event.at = now;
  event.group_alive = x.group;
  event.over_memory = over_memory;
  x.events->exited(std::move(event));
}

void fake_host::exit(const std::string& handle_id, int code) {
  end(last(handle_id), {exit_reason::exited, code, {}});
}

void fake_host::end_group(child& x) {
  x.group = false;
  if (x.watched)
    x.events->group_gone();
  x.watched = false;
}

void fake_host::limit(const run_id& run, const run_limits& allowed) {
  auto* x = find(run);
  if (x == nullptr || !x->alive)
    return;
  x->request.allowed = allowed;
  x->events->limited({kernel_limits && allowed.memory_bytes.has_value(),
                      kernel_limits && allowed.cores.has_value()});
}

void fake_host::signal(const run_id& run, int number, signal_scope scope) {
  auto* x = find(run);
  if (x == nullptr)
    return;
  x->signals.push_back(number);
  if (immortal)
    return;
  if (number == SIGKILL || (number == SIGTERM && obeys_term))
    end(*x, {exit_reason::signaled, {}, number});
  if (number == SIGKILL && scope != signal_scope::one_process && x->group)
    end_group(*x);
}

void fake_host::watch_group(const run_id& run) {
  auto* x = find(run);
  if (x == nullptr)
    return;
  x->watched = true;
  if (!x->group)
    end_group(*x);
}

void fake_host::write_stdin(const run_id&, std::string bytes,
                            std::function<void(expected<void>)> done) {
  written.push_back(std::move(bytes));
  done({});
}

void fake_host::close_stdin(const run_id&) {
  written.push_back("<end>");
}

void fake_host::collect(const run_id&, std::function<void(run_output)> done) {
  done({});
}

void fake_host::consumed(const run_id&, stream, size_t) {
  // Output is told by the test itself; there is nothing to hold back.
}

void fake_host::acknowledge(const run_id& run) {
  acknowledged.insert(run.str());
}

} // namespace pm::test
