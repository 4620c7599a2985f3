#include <pm/node.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <thread>

#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include <caf/send.hpp>

#include <pm/json.hpp>
#include <pm/loop_scheduler.hpp>
#include <pm/registry_store.hpp>
#include <pm/state_dir.hpp>
#include <pm/storage.hpp>

#include "actors/facade/call_pools.hpp"
#include "actors/leftover_run.hpp"
#include "actors/loop_runner.hpp"
#include "actors/manager.hpp"
#include "actors/node_config.hpp"
#include "actors/node_senses.hpp"
#include "actors/own_program.hpp"
#include "actors/registry.hpp"
#include "actors/tasks/task_host.hpp"
#include "runtime/calls/call_file.hpp"
#include "runtime/os/proc.hpp"

extern char** environ;

namespace pm {

namespace {

double draw() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<>{}(engine);
}

class node_impl : public node {
public:
  node_impl(caf::actor_system& system, node_options options)
    : system_(system), options_(std::move(options)) {}

  ~node_impl() override {
    dismiss();
    end_calls();
    tasks_.reset();
    if (thread_.joinable()) {
      // Behind all that was posted, and the frames that come of it.
      own_loop_->post([this] {
        own_loop_->post([this] {
          say_goodbye();
          own_loop_->stop();
        });
      });
      thread_.join();
    } else if (host_) {
      say_goodbye();
    }
    host_.reset();
  }

  expected<void> start();

  const manager_actor& manager() const override { return manager_; }

  const std::string& state_dir() const override { return directory_->path(); }

  int keeper_pid() const override { return is_alone_ ? 0 : keeper_pid_.load(); }

  usage_meter& usage() const override { return *senses_.usage; }

  uint64_t dropped_bytes(const run_id& run) const override {
    return host_->dropped_bytes(run);
  }

  std::function<void(bool)> define_task(const std::string& handle_id,
                                        task_plan plan) override {
    return tasks_->define(handle_id, std::move(plan));
  }

  std::function<void()>
  call_function(kind which, const call_spec& what,
                std::optional<milliseconds> timeout,
                std::function<void(expected<call_result>)> done) override {
    auto ticket = calls_->call(which, what, timeout, std::move(done));
    return [this, ticket] { calls_->cancel(ticket); };
  }

  void respawn_with(std::vector<std::string> argv) override {
    node_command command{std::move(argv), {}, current_directory()};
    for (auto** x = environ; x != nullptr && *x != nullptr; ++x)
      command.environment.emplace_back(*x);
    on_loop([this, command = std::move(command)] { host_->ready(command); });
  }

  void replace_keeper(std::string path) override {
    next_keeper_ = std::move(path);
  }

  caf::execution_unit* door() const override {
    return home_ ? home_->door() : nullptr;
  }

  void goodbye() override {
    is_wanted_end_ = true;
    on_loop([this] { host_->on_lost({}); });
  }

private:
  expected<void> open_host();
  expected<void> open_registry();
  void open_manager();
  void run_loop();
  template <class Actor>
  void end_actor(const Actor& actor);
  void dismiss();
  void end_calls();
  void keeper_lost(const error& why);
  void seek_keeper();

  // The last word to the keeper, behind all acknowledgements.
  void say_goodbye() {
    if (is_wanted_end_)
      host_->goodbye();
    else if (!next_keeper_.empty() && !host_->replace_keeper(next_keeper_))
      note("warning the keeper is too old to be replaced; it stays");
  }

  void note(const std::string& text) const {
    if (options_.note)
      options_.note(text);
  }

  event_loop& loop() { return own_loop_ ? *own_loop_ : *options_.loop; }

  template <class F>
  void on_loop(F f) {
    if (loop().in_loop())
      f();
    else
      loop().post(std::move(f));
  }

  caf::actor_system& system_;
  node_options options_;
  std::optional<pm::state_dir> directory_;
  std::unique_ptr<event_loop> own_loop_;
  std::unique_ptr<keeper_connection> host_;
  std::unique_ptr<loop_home> home_; // where the system does not live on a loop
  std::unique_ptr<task_host> tasks_;
  std::unique_ptr<call_pools> calls_;
  node_senses senses_;
  std::shared_ptr<registry_store> store_;
  std::shared_ptr<storage> files_;
  std::atomic<int> keeper_pid_{0};
  loop_timer keeper_retry_;
  std::atomic<bool> is_alone_{false}; // no keeper, and none could be started
  std::vector<held_run> held_;
  recovery_report found_;
  std::atomic<bool> is_wanted_end_{false};
  std::string boot_id_;
  std::string next_keeper_; // goes on as this when the node has ended
  registry_actor registry_;
  manager_actor manager_;
  std::thread thread_;
};

expected<void> node_impl::start() {
  if (options_.name.empty())
    options_.name = "node";
  auto directory = state_dir::open(resolve_state_dir(options_.state_dir));
  if (!directory)
    return tl::make_unexpected(directory.error());
  directory_.emplace(std::move(*directory));
  if (auto ok = directory_->lock_node(); !ok)
    return ok;
  if (options_.loop == nullptr) {
    auto loop = event_loop::make();
    if (!loop)
      return tl::make_unexpected(loop.error());
    own_loop_ = std::move(*loop);
  }
  if (auto ok = open_registry(); !ok)
    return ok;
  if (auto ok = open_host(); !ok)
    return ok;
  open_manager();
  if (own_loop_)
    run_loop();
  return {};
}

expected<void> node_impl::open_registry() {
  open_report report;
  auto storage = open_storage(directory_->path());
  if (!storage)
    return tl::make_unexpected(storage.error());
  files_ = *storage;
  auto store = registry_store::open(std::move(*storage), report);
  if (!store)
    return tl::make_unexpected(store.error());
  store_ = std::make_shared<registry_store>(std::move(*store));
  for (auto& line : report.lines)
    note("warning registry: " + line);
  found_.records_replayed = report.records_replayed;
  found_.bytes_cut = report.bytes_cut;
  found_.registry_lines = std::move(report.lines);
  found_.kept_aside = std::move(report.kept_aside);
  return {};
}

expected<void> node_impl::open_host() {
  auto groups = cgroup_home_for(options_, directory_->path());
  if (!groups)
    return tl::make_unexpected(groups.error());
  keeper_options options;
  options.state_dir = directory_->path();
  options.cgroup_home = std::move(*groups);
  options.keeper_path = options_.keeper_path;
  options.on_trouble = [this](const std::string& text) {
    if (!is_wanted_end_)
      note("warning " + text);
  };
  auto host = make_keeper_host(loop(), std::move(options));
  if (!host)
    return tl::make_unexpected(host.error());
  host_ = std::move(*host);
  keeper_pid_ = host_->keeper_pid();
  std::vector<recorded_run> on_record;
  for (auto& [id, record] : store_->records())
    if (is_alive(record->state.status))
      on_record.push_back(
        {record->state.run_id, record->state.identity, record->state.foreign});
  host_->recover(on_record);
  std::vector<run_id> runs;
  for (auto& x : on_record)
    runs.push_back(x.run_id);
  calls::sweep_call_files(directory_->path(), runs);
  end_leftovers(*host_);
  held_ = host_->held();
  host_->on_lost([this](const error& why) { keeper_lost(why); });
  return {};
}

void node_impl::keeper_lost(const error& why) {
  note("warning keeper lost: " + why.text);
  if (!keeper_retry_)
    keeper_retry_ = loop().timer([this] { seek_keeper(); });
  seek_keeper();
}

void node_impl::seek_keeper() {
  host_->reconnect([this](const expected<void>& again) {
    if (!again) {
      if (!is_alone_)
        note("error no keeper, trying again each second: "
             + again.error().text);
      is_alone_ = true;
      return keeper_retry_.arm(std::chrono::steady_clock::now()
                               + std::chrono::seconds{1});
    }
    is_alone_ = false;
    keeper_pid_ = host_->keeper_pid();
    note(fmt::format("info keeper {} serves now", host_->keeper_pid()));
  });
}

void node_impl::open_manager() {
  boot_id_ = read_boot_id().value_or(std::string{});
  auto& mark = store_->last_mark();
  auto from = std::make_shared<manager_start>();
  take_config(options_, *files_, *from);
  from->fresh = mark.clean_shutdown || mark.boot_id != boot_id_;
  for (auto& [id, record] : store_->records())
    from->records.push_back(record);
  from->requests.assign(store_->requests().begin(), store_->requests().end());
  from->held = std::move(held_);
  found_.clean = mark.clean_shutdown;
  from->report = std::move(found_);

  registry_queues queues{std::make_shared<work_thread>(),
                         std::make_shared<work_thread>(), files_};
  node_mark begins;
  begins.boot_id = boot_id_;
  begins.name = options_.name;
  if (own_loop_)
    home_ = std::make_unique<loop_home>(system_, *own_loop_);
  registry_ = spawn_by(door(), system_, registry, store_, queues, begins);
  caf::anon_send(registry_, mark_atom::value);

  auto on = std::make_shared<supervision>();
  auto tell = [this](const std::string& text) { note(text); };
  tasks_ = std::make_unique<task_host>(system_, *host_, tell);
  on->host = tasks_.get();
  on->door = door();
  on->forgotten = [this](const std::string& id) { tasks_->undefine(id); };
  senses_.open(loop(), directory_->path(), tell,
               [this] { return keeper_pid_.load(); });
  senses_.lend(*on);
  on->registry = registry_;
  on->state_dir = directory_->path();
  on->working_dir = current_directory();
  on->environment = inherited_environment();
  on->socket_path = options_.socket_path;
  on->program_path = own_program();
  on->worker_path = sibling(on->program_path, "pm-worker");
  on->boot_id = boot_id_;
  on->now = wall_clock;
  on->essential_ended = options_.essential_ended;
  on->chance = draw;
  calls_ = std::make_unique<call_pools>(loop(), *host_, *on, options_.calls);
  manager_ = spawn_by(door(), system_, pm::manager,
                      std::shared_ptr<const supervision>{std::move(on)},
                      std::shared_ptr<const manager_start>{std::move(from)});
}

// The loop of an embedded node: a thread that the host need not know of. What
// `in_loop` says is true from here on.
void node_impl::run_loop() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  std::promise<void> runs;
  own_loop_->post([&runs] { runs.set_value(); });
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread{[this] { own_loop_->run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  runs.get_future().wait();
}

template <class Actor>
void node_impl::end_actor(const Actor& actor) {
  auto down = std::make_shared<std::promise<void>>();
  auto is_down = down->get_future();
  actor->attach_functor([down] { down->set_value(); });
  caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  if (options_.loop == nullptr)
    return is_down.wait();
  auto look = [&] {
    return is_down.wait_for(milliseconds{0}) == std::future_status::ready;
  };
  if (!run_until(loop(), look, std::chrono::seconds{5}))
    note("error an actor does not end");
}

// The workers of calls are nobody's processes: they end with the node.
void node_impl::end_calls() {
  if (!calls_)
    return;
  auto are_gone = std::make_shared<std::promise<void>>();
  calls_->end([are_gone] { are_gone->set_value(); });
  auto future = are_gone->get_future();
  auto is_over = [&](auto wait) {
    return future.wait_for(wait) == std::future_status::ready;
  };
  constexpr auto patience = std::chrono::seconds{5};
  auto in_time = options_.loop != nullptr ? run_until(
                   loop(), [&] { return is_over(milliseconds{0}); }, patience)
                                          : is_over(patience);
  if (!in_time)
    note("error the workers of calls do not end");
  auto destroy = [this] {
    calls_.reset();
    senses_ = {};
  };
  if (options_.loop != nullptr)
    return destroy();
  std::promise<void> done;
  own_loop_->post([&] {
    destroy();
    done.set_value();
  });
  done.get_future().wait();
}

// Ends the actors; the host is used by nobody after that.
void node_impl::dismiss() {
  if (!manager_)
    return;
  end_actor(manager_);
  end_actor(registry_);
}

} // namespace

expected<std::unique_ptr<node>> node::open(caf::actor_system& system,
                                           node_options options) {
  auto result = std::make_unique<node_impl>(system, std::move(options));
  if (auto ok = result->start(); !ok)
    return tl::make_unexpected(ok.error());
  return result;
}

} // namespace pm
