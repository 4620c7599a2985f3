#include "apps/pm_node/daemon.hpp"

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <pm/caf_error.hpp>
#include <pm/config_diff.hpp>
#include <pm/line_server.hpp>
#include <pm/loop_scheduler.hpp>
#include <pm/node.hpp>
#include <pm/state_dir.hpp>

#include "apps/pm_node/config_again.hpp"
#include "apps/pm_node/control_session.hpp"
#include "apps/pm_node/node_log.hpp"
#include "apps/pm_node/self_program.hpp"
#include "apps/pm_node/service_manager.hpp"
#include "apps/pm_node/version.hpp"

namespace pm {

namespace {

using namespace std::chrono_literals;

// Signals are read from a descriptor by the loop; threads that are made later
// inherit the mask. Writing to a closed connection is an error, not a death.
void take_signals() {
  sigset_t mine;
  sigemptyset(&mine);
  for (auto number : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&mine, number);
  pthread_sigmask(SIG_BLOCK, &mine, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

// Every process needs three descriptors here.
void raise_descriptor_limit(rlimit& before) {
  if (::getrlimit(RLIMIT_NOFILE, &before) == 0) {
    rlimit limit{before.rlim_max, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

class daemon {
public:
  daemon(daemon_options options, node_log log)
    : options_(std::move(options)), log_(std::move(log)) {}

  int run();

  bool has_next() const { return !next_program_.empty(); }

  // Turns this process into the next program; returns only if that fails.
  int become_next();

private:
  expected<void> begin(caf::actor_system& system);
  expected<void> listen(caf::actor_system& system);
  line_handlers make_handlers(caf::actor_system& system);
  void signaled(int number);
  void prepare_fallback();
  void shut_down(caf::actor_system& system, bool hurry);
  void note(const std::string& text);
  int give_up(const error& why);

  daemon_options options_;
  node_log log_;
  std::unique_ptr<event_loop> loop_;
  std::unique_ptr<node> node_;
  std::unique_ptr<line_server> server_;
  std::shared_ptr<control_context> control_;
  std::map<line_connection*, control_session_actor> sessions_;
  signal_watch signals_;
  caf::actor_system* system_ = nullptr;
  rlimit limit_before_{};
  std::string config_path_; // absolute; empty: none
  int exit_code_ = EXIT_SUCCESS;
  std::string next_program_; // takes this one's place; empty: none
  bool is_ending_ = false;
  int signals_seen_ = 0;
};

// The name of a client, for those who ask later who did this; empty if it is
// gone already.
std::string program_of(int pid) {
  std::string name;
  std::getline(std::ifstream{fmt::format("/proc/{}/comm", pid)}, name);
  return name;
}

int daemon::give_up(const error& why) {
  log_.line(log_level::error, why.text);
  return EXIT_FAILURE;
}

// Lines of the node begin with their level.
void daemon::note(const std::string& text) {
  auto space = text.find(' ');
  auto level = text.substr(0, space);
  auto rest = space == std::string::npos ? text : text.substr(space + 1);
  log_.line(level == "error"     ? log_level::error
            : level == "warning" ? log_level::warning
            : level == "debug"   ? log_level::debug
                                 : log_level::info,
            rest);
}

int daemon::run() {
  auto loop = event_loop::make();
  if (!loop)
    return give_up(loop.error());
  loop_ = std::move(*loop);
  caf::actor_system_config config;
  use_loop_scheduler(config, *loop_);
  caf::actor_system system{config};
  system.await_actors_before_shutdown(false);
  system_ = &system;
  if (auto ok = begin(system); !ok)
    return give_up(ok.error());
  tell_service_manager(fmt::format("READY=1\nMAINPID={}\nSTATUS=state in {}",
                                   ::getpid(), node_->state_dir()));
  loop_->run();
  tell_service_manager(next_program_.empty() ? "STOPPING=1" : "RELOADING=1");
  for (auto& [connection, session] : sessions_)
    caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
  sessions_.clear();
  is_ending_ = true;
  if (next_program_.empty())
    node_->goodbye();
  else
    prepare_fallback();
  node_.reset();
  server_.reset(); // who waits for the end sees it when the lock is free
  signals_ = signal_watch{};
  run_until(
    *loop_, [&] { return system.registry().running() == 0; }, 2s);
  log_.line(log_level::info,
            next_program_.empty() ? "ended" : next_program_ + " takes over");
  return exit_code_;
}

// Should the next program not come up, the keeper starts this one again; if
// its file has been replaced, from a copy.
void daemon::prepare_fallback() {
  if (!options_.respawn || !is_replaced())
    return;
  auto copy = options_.state_dir + "/pm-node.before";
  std::error_code error;
  std::filesystem::copy_file(
    self_link, copy, std::filesystem::copy_options::overwrite_existing, error);
  if (error)
    return note("warning no copy of this program: " + error.message());
  auto command = options_.resume;
  command[0] = copy;
  if (options_.keeper_path.empty())
    command.insert(
      command.end(),
      {"--keeper",
       std::filesystem::path{program_path()}.replace_filename("pm-keeper")});
  node_->respawn_with(command);
}

// In place, so that whoever waits for this process goes on doing so. The
// descriptors are all close-on-exec.
int daemon::become_next() {
  auto words = options_.resume;
  words[0] = next_program_;
  std::vector<char*> argv;
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (limit_before_.rlim_max != 0)
    ::setrlimit(RLIMIT_NOFILE, &limit_before_);
  ::execv(next_program_.c_str(), argv.data());
  return give_up({ec::system_failed,
                  fmt::format("{}: {}", next_program_, ::strerror(errno))});
}

expected<void> daemon::begin(caf::actor_system& system) {
  auto signals = loop_->watch_signals({SIGTERM, SIGINT, SIGHUP},
                                      [this](int number) { signaled(number); });
  if (!signals)
    return tl::make_unexpected(signals.error());
  signals_ = std::move(*signals);
  node_options options;
  options.state_dir = options_.state_dir;
  options.name = options_.name;
  options.keeper_path = options_.keeper_path;
  options.socket_path = options_.state_dir + "/control.sock";
  if (options_.resumes) {
    auto accepted = read_accepted_config(options_.state_dir);
    if (!accepted)
      note("warning " + accepted.error().text
           + "; going on with what is on record");
    else
      options.accepted = std::move(*accepted);
    if (options.accepted)
      config_path_ = options.accepted->path;
  }
  if (options_.config)
    config_path_ = options_.config->path;
  options.config = std::move(options_.config);
  options.loop = loop_.get();
  options.note = [this](const std::string& text) { note(text); };
  options.essential_ended = [this](const std::string& why) {
    if (std::exchange(exit_code_, EXIT_FAILURE) == EXIT_FAILURE)
      return; // it is on its way
    note("error " + why + "; shutting down");
    shut_down(*system_, false);
  };
  auto count = options.config     ? options.config->processes.size()
               : options.accepted ? options.accepted->processes.size()
                                  : 0;
  auto opened = node::open(system, std::move(options));
  if (!opened)
    return tl::make_unexpected(opened.error());
  node_ = std::move(*opened);
  // After the keeper has begun: children get the limit that we were given.
  raise_descriptor_limit(limit_before_);
  if (auto ok = listen(system); !ok)
    return ok;
  if (options_.respawn)
    node_->respawn_with(options_.resume);
  log_.line(log_level::info,
            fmt::format("pm-node {} is ready (pid {}, keeper {}), {} processes "
                        "configured, state in {}",
                        program_version, ::getpid(), node_->keeper_pid(), count,
                        node_->state_dir()));
  return {};
}

expected<void> daemon::listen(caf::actor_system& system) {
  control_ = std::make_shared<control_context>();
  control_->manager = node_->manager();
  control_->node_name = options_.name;
  control_->state_dir = node_->state_dir();
  control_->started_at = std::chrono::time_point_cast<milliseconds>(
    std::chrono::system_clock::now());
  control_->keeper_pid = [this] { return node_->keeper_pid(); };
  control_->ended = [this] {
    // The answer to who asked leaves first.
    loop_->post([this] { loop_->stop(); });
  };
  control_->program_path = program_path;
  control_->next_keeper = [this](const std::string& binary) {
    return next_keeper(binary, options_.keeper_path, node_->keeper_pid());
  };
  control_->read_config = [this] { return read_config_again(config_path_); };
  control_->upgrade = [this](std::string binary, std::string keeper) {
    next_program_ = std::move(binary);
    node_->replace_keeper(std::move(keeper));
    control_->ended();
  };
  control_->note = [this](std::string text) {
    log_.line(log_level::debug, text);
  };
  control_->usage = std::make_shared<usage_sampler>(node_->usage());
  control_->dropped_bytes = [this](const run_id& run) {
    return node_->dropped_bytes(run);
  };
  auto server = line_server::listen(
    *loop_, node_->state_dir() + "/control.sock", make_handlers(system));
  if (!server)
    return tl::make_unexpected(server.error());
  server_ = std::move(*server);
  return {};
}

line_handlers daemon::make_handlers(caf::actor_system& system) {
  auto tell = [this](const line_connection_ptr& connection, auto... message) {
    auto found = sessions_.find(connection.get());
    if (found != sessions_.end())
      caf::anon_send(found->second, message...);
  };
  line_handlers handlers;
  handlers.on_open = [this, &system](const line_connection_ptr& connection) {
    if (is_ending_)
      return connection->close();
    auto& who = connection->peer();
    if (who.uid != ::geteuid() && who.uid != 0) {
      connection->send(
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32016,"message":)"
        R"("only the node's own user and root are served",)"
        R"("data":{"code":"not_permitted"}}})");
      connection->close();
      return;
    }
    auto peer = std::make_shared<control_peer>();
    peer->send = [connection](std::string line) { connection->send(line); };
    peer->close = [connection] { connection->close(); };
    peer->uid = static_cast<int>(who.uid);
    peer->pid = who.pid;
    peer->program = program_of(who.pid);
    sessions_[connection.get()] = system.spawn(
      control_session, std::shared_ptr<const control_context>{control_},
      std::shared_ptr<const control_peer>{std::move(peer)});
  };
  handlers.on_line = [tell](const line_connection_ptr& connection,
                            std::string_view line) {
    tell(connection, line_atom::value, std::string{line});
  };
  handlers.on_end = [tell](const line_connection_ptr& connection) {
    tell(connection, end_atom::value);
  };
  handlers.on_closed = [this, tell](const line_connection_ptr& connection,
                                    const error& why) {
    if (why.code != ec::none)
      log_.line(log_level::warning,
                fmt::format("control client pid {}: {}", connection->peer().pid,
                            why.text));
    tell(connection, gone_atom::value);
    sessions_.erase(connection.get());
  };
  return handlers;
}

void daemon::signaled(int number) {
  if (number == SIGHUP) {
    log_.line(log_level::info, "SIGHUP: nothing to do");
    return;
  }
  auto hurry = signals_seen_++ > 0;
  log_.line(log_level::info, hurry
                               ? "a second signal: ending all processes at once"
                               : "shutting down; a second signal hurries");
  shut_down(*system_, hurry);
}

void daemon::shut_down(caf::actor_system& system, bool hurry) {
  auto done = control_->ended;
  auto manager = node_->manager();
  auto told = [this](const std::string& text) { note(text); };
  system.spawn([done, told, manager, hurry](caf::event_based_actor* self) {
    self->request(manager, caf::infinite, shutdown_atom::value, false, hurry)
      .then([done](bool) { done(); },
            [done, told](const caf::error& why) {
              told("error " + from_caf(why).text);
              done();
            });
  });
}

} // namespace

int run_daemon(daemon_options options) {
  take_signals();
  if (options.name.empty() && options.config)
    options.name = options.config->name;
  if (options.name.empty())
    options.name = "node";
  auto directory = state_dir::open(resolve_state_dir(options.state_dir));
  if (!directory) {
    std::fprintf(stderr, "pm-node: %s\n", directory.error().text.c_str());
    return EXIT_FAILURE;
  }
  options.state_dir = directory->path();
  auto level = options.verbose ? log_level::debug
               : options.quiet ? log_level::warning
                               : log_level::info;
  auto log = node_log::open(options.state_dir, level);
  if (!log) {
    std::fprintf(stderr, "pm-node: %s\n", log.error().text.c_str());
    return EXIT_FAILURE;
  }
  daemon node{std::move(options), std::move(*log)};
  auto code = node.run();
  return node.has_next() ? node.become_next() : code;
}

} // namespace pm
