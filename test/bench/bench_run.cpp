// How long it takes to run /bin/true to its end, output captured, through the
// manager and the keeper, against a bare posix_spawn loop in the same run:
// one after another, and 16 at once. Prints ratios; fails never for a timing.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>

#include <pm/loop_scheduler.hpp>
#include <pm/node.hpp>

extern char** environ;

namespace {

using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int rounds = 9;
constexpr int runs_per_round = 200;
constexpr int at_once = 16;

double median(std::vector<double> xs) {
  std::sort(xs.begin(), xs.end());
  return xs[xs.size() / 2];
}

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

// -- the floor
// ------------------------------------------------------------------

struct floor_child {
  int pid = -1;
  int output = -1;
};

floor_child begin_true() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  char program[] = "/bin/true";
  char* argv[] = {program, nullptr};
  floor_child child;
  if (::posix_spawn(&child.pid, program, &actions, nullptr, argv, environ) != 0)
    std::abort();
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  child.output = ends[0];
  return child;
}

void finish_true(const floor_child& child) {
  char buffer[64];
  while (::read(child.output, buffer, sizeof buffer) > 0) {
  }
  ::close(child.output);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
}

double floor_round(int width) {
  auto begin = clock_type::now();
  std::vector<floor_child> live;
  for (int i = 0; i < runs_per_round; ++i) {
    live.push_back(begin_true());
    if (static_cast<int>(live.size()) == width) {
      finish_true(live.front());
      live.erase(live.begin());
    }
  }
  for (auto& child : live)
    finish_true(child);
  return seconds_since(begin);
}

// -- through pm
// -----------------------------------------------------------------

double pm_round(caf::actor_system& system, pm::event_loop& loop,
                const pm::manager_actor& manager, int width) {
  auto done = 0;
  auto begin = clock_type::now();
  auto driver = [&](caf::event_based_actor* self) {
    auto next = std::make_shared<std::function<void()>>();
    auto begun = std::make_shared<int>(0);
    *next = [=, &done, &loop, &manager] {
      if (*begun == runs_per_round)
        return;
      ++*begun;
      pm::run_request what;
      what.spec.command = {"/bin/true"};
      self
        ->request(manager, caf::infinite, pm::run_atom::value, what,
                  pm::output_listener{}, pm::request_context{})
        .then(
          [=, &done, &loop](const pm::process_result& result) {
            if (!result.success())
              std::abort();
            if (++done == runs_per_round)
              loop.stop();
            (*next)();
          },
          [](const caf::error&) { std::abort(); });
    };
    for (int i = 0; i < width; ++i)
      (*next)();
  };
  system.spawn(driver);
  loop.run();
  return seconds_since(begin);
}

void compare(const char* name, caf::actor_system& system, pm::event_loop& loop,
             const pm::manager_actor& manager, int width) {
  std::vector<double> ratios;
  std::vector<double> floors;
  std::vector<double> ours;
  for (int i = 0; i < rounds; ++i) {
    floors.push_back(floor_round(width));
    ours.push_back(pm_round(system, loop, manager, width));
    ratios.push_back(ours.back() / floors.back());
  }
  std::printf("run /bin/true, %-18s posix_spawn %6.0f/s  pm %6.0f/s  time "
              "ratio %.2f (rate %.2f)\n",
              name, runs_per_round / median(floors),
              runs_per_round / median(ours), median(ratios),
              1.0 / median(ratios));
}

} // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  auto base =
    (std::filesystem::temp_directory_path() / "pm-bench-XXXXXX").string();
  if (::mkdtemp(base.data()) == nullptr)
    return EXIT_FAILURE;
  {
    auto loop = pm::event_loop::make();
    caf::actor_system_config config;
    pm::use_loop_scheduler(config, **loop);
    caf::actor_system system{config};
    system.await_actors_before_shutdown(false);
    pm::node_options options;
    options.state_dir = base;
    options.loop = loop->get();
    auto node = pm::node::open(system, std::move(options));
    if (!node) {
      std::fprintf(stderr, "%s\n", node.error().text.c_str());
      return EXIT_FAILURE;
    }
    auto& manager = (*node)->manager();
    compare("one after another", system, **loop, manager, 1);
    compare("16 at once", system, **loop, manager, at_once);
    std::vector<char> ballast(500u << 20, 'x');
    std::printf("the same with 500 MB touched in this program:\n");
    compare("one after another", system, **loop, manager, 1);
    (*node)->goodbye();
    node->reset();
    pm::run_until(
      **loop, [&] { return system.registry().running() == 0; }, 2s);
  }
  std::filesystem::remove_all(base);
  return EXIT_SUCCESS;
}
