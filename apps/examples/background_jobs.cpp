// Every kind of process that a program can have, by one handle:
//
//   background_jobs STATE_DIR         starts them, and leaves them running
//   background_jobs STATE_DIR stop    a later program: finds and stops them

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <thread>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <pm/process_manager.hpp>

namespace {

using namespace std::chrono_literals;

// Runs in a process of its own; what it prints is its log.
void stream_logs(std::string profile, std::map<std::string, int> config) {
  for (int i = 1;; ++i) {
    std::printf("%s: batch %d of %d\n", profile.c_str(), i, config["batches"]);
    std::fflush(stdout);
    std::this_thread::sleep_for(1s);
  }
}

int add(int a, int b) {
  return a + b;
}

pm::async<void> start_all(pm::process_manager& pm) {
  auto listing = co_await pm.run_cli({"ls", "/"});
  if (listing)
    std::printf("ls: exit %d, %zu bytes in %lld ms\n",
                listing->exit.code.value_or(-1), listing->stdout_text.size(),
                static_cast<long long>(listing->duration.count()));

  auto web =
    co_await pm.start_cli_background({"sleep", "1000"}, {.handle_id = "web"});
  if (web)
    std::printf("web: pid %d, log %s\n", web->pid.value_or(0),
                web->log_file.c_str());

  std::map<std::string, int> config{{"batches", 3}};
  auto job = co_await pm.start_function_background<stream_logs>(
    {.handle_id = "elk-streamer-myenv"}, std::string{"myenv"}, config);
  if (job)
    std::printf("elk-streamer-myenv: pid %d\n", job->pid.value_or(0));

  auto tick = co_await pm.start_async_task(
    [] { std::puts("all is well"); }, {.handle_id = "health-monitor"}, 30s);
  if (!tick)
    std::puts(pm::from_caf(tick.error()).text.c_str());

  auto sum = co_await pm.run_function<add>(20, 22);
  if (sum)
    std::printf("20 + 22 = %d, said a process of its own\n", *sum);

  auto all = co_await pm.list_processes({.status = pm::status::running});
  for (auto& x : *all)
    std::printf("running: %s\n", x.handle_id.c_str());
}

pm::async<void> stop_all(pm::process_manager& pm) {
  for (std::string name : {"web", "elk-streamer-myenv"}) {
    auto stopped = co_await pm.stop_process(name);
    if (stopped)
      std::printf("%s: %s\n", name.c_str(),
                  *stopped ? "stopped" : "was not running");
    else
      std::puts(pm::from_caf(stopped.error()).text.c_str());
  }
  auto gone = co_await pm.cleanup_dead_processes();
  if (gone)
    std::printf("%llu records removed\n",
                static_cast<unsigned long long>(*gone));
}

} // namespace

int main(int argc, char** argv) {
  // The processes of this program's functions are this program.
  if (auto code = pm::run_worker())
    return *code;
  if (argc < 2 || argc > 3) {
    std::fputs("usage: background_jobs STATE_DIR [stop]\n", stderr);
    return 2;
  }
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  pm::process_manager pm{system, {.state_dir = argv[1]}};
  if (pm.problem()) {
    std::fprintf(stderr, "%s\n", pm.problem()->text.c_str());
    return 1;
  }
  auto done = argc == 3 ? stop_all(pm) : start_all(pm);
  return done.get() ? 0 : 1;
}
