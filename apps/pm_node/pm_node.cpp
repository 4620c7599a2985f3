#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <pm/config.hpp>
#include <pm/registry_check.hpp>
#include <pm/state_dir.hpp>

#include "apps/pm_node/daemon.hpp"
#include "apps/pm_node/front.hpp"
#include "apps/pm_node/self_program.hpp"
#include "apps/pm_node/version.hpp"

namespace {

constexpr int exit_usage = 2;
constexpr int exit_bad_config = 6;

constexpr auto about = R"(Runs and supervises processes, driven by pmctl.

Stays in the foreground. SIGTERM or SIGINT ends all processes in order and then
the node; a second one hurries (SIGKILL). SIGHUP is only noted: a changed
configuration is taken up by 'pmctl apply', or at the next start.

When the node dies of anything else, its keeper starts it again at once, with
the configuration that was accepted last, and the processes never notice.)";

constexpr auto footer = R"(Examples:
  pm-node --config conf/demo.json
  pm-node --check --config conf/demo.json

Exit codes: 0 ended in order, 1 failed, 2 usage, 6 bad configuration.)";

int report(const pm::config_problems& problems) {
  for (auto& problem : problems)
    std::fprintf(stderr, "%s\n", to_string(problem).c_str());
  return exit_bad_config;
}

// Says whether this program could take over the state.
int look_at_state(const std::string& dir) {
  auto storage = pm::open_storage(dir);
  auto count = storage
                 ? pm::check_registry(**storage)
                 : pm::expected<size_t>{tl::make_unexpected(storage.error())};
  if (!count) {
    std::fprintf(stderr, "pm-node: %s\n", count.error().text.c_str());
    return EXIT_FAILURE;
  }
  std::printf("%s: good, %zu processes\n", dir.c_str(), *count);
  return EXIT_SUCCESS;
}

// What goes on with this node in another process.
std::vector<std::string> resume_command(const pm::daemon_options& options,
                                        const std::string& config_path) {
  std::vector<std::string> result{pm::program_path(), "--resume", "--state-dir",
                                  options.state_dir};
  auto add = [&](const char* name, const std::string& value) {
    if (!value.empty())
      result.insert(result.end(), {name, value});
  };
  add("--name", options.name);
  add("--config", config_path);
  add("--keeper", options.keeper_path);
  if (options.verbose)
    result.emplace_back("--verbose");
  if (options.quiet)
    result.emplace_back("--quiet");
  if (!options.respawn)
    result.emplace_back("--no-respawn");
  return result;
}

// Where somebody is to stay in front of this node, the exit code of that
// somebody; nothing in the node itself. As PID 1 somebody has to reap, whoever
// starts the node again.
std::optional<int> code_of_front(const pm::daemon_options& options) {
  if (::getpid() != 1 && (!options.respawn || options.resumes))
    return std::nullopt;
  return pm::stand_in_front(options.state_dir, options.respawn
                                                 ? options.resume
                                                 : std::vector<std::string>{});
}

} // namespace

int main(int argc, char** argv) {
  pm::daemon_options options;
  std::string config_path;
  auto check = false;
  auto check_state = false;
  auto resume = false;
  auto no_respawn = false;

  CLI::App app{about, "pm-node"};
  app.footer(footer);
  app.set_version_flag("--version",
                       "pm-node " + std::string{pm::program_version});
  app.add_option("--config", config_path, "what to run (JSON)")
    ->type_name("FILE");
  app.add_flag("--check", check, "check the configuration and exit");
  app.add_flag("--check-state", check_state,
               "check that this program can read the state, and exit");
  app
    .add_option("--state-dir", options.state_dir,
                "where state and logs are kept; else $PM_STATE_DIR, "
                "$XDG_STATE_HOME/pm, ~/.local/state/pm")
    ->type_name("DIR");
  app.add_option("--name", options.name, "the name of this node")
    ->type_name("NAME");
  app.add_option("--keeper", options.keeper_path, "the pm-keeper to start")
    ->type_name("FILE");
  app.add_flag("--no-respawn", no_respawn,
               "do not let the keeper start this node again when it crashes");
  app.add_flag("--resume", resume,
               "go on with what is on record and the configuration that was "
               "accepted last; --config is not read (the keeper starts a node "
               "so)");
  app.add_flag("-v,--verbose", options.verbose,
               "print every request to stderr");
  app.add_flag("-q,--quiet", options.quiet, "print warnings and errors only");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? EXIT_SUCCESS : exit_usage;
  }
  if (check && config_path.empty()) {
    std::fputs("pm-node: --check needs --config FILE\n", stderr);
    return exit_usage;
  }
  if (!config_path.empty() && !resume) {
    auto config = pm::load_config(config_path, pm::process_environment());
    if (!config)
      return report(config.error());
    if (check) {
      std::printf("%s: good, %zu processes\n", config_path.c_str(),
                  config->processes.size());
      return EXIT_SUCCESS;
    }
    options.config = std::move(*config);
  }
  options.state_dir =
    std::filesystem::absolute(pm::resolve_state_dir(options.state_dir));
  if (check_state)
    return look_at_state(options.state_dir);
  if (options.name.empty() && options.config)
    options.name = options.config->name;
  options.respawn = !no_respawn;
  options.resumes = resume;
  options.resume = resume_command(options, config_path);
  if (auto code = code_of_front(options))
    return *code;
  return pm::run_daemon(std::move(options));
}
