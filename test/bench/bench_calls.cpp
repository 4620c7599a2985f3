// Calls of functions in warm workers, against Python's ProcessPoolExecutor in
// the same run, and commands one after the other against posix_spawn and
// Python's asyncio.
//
//   bench_calls [CALLS]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <pm/process_manager.hpp>

extern char** environ;

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::duration;

constexpr size_t window = 64; // calls under way
constexpr int runs = 300;     // commands one after the other

struct figures {
  double rate = 0; // a second
  double p99_us = 0;
};

int add(int a, int b) {
  return a + b;
}

figures figures_of(std::vector<double> latencies, double seconds) {
  figures result;
  result.rate = static_cast<double>(latencies.size()) / seconds;
  auto at = latencies.begin() + static_cast<long>(latencies.size() * 99 / 100);
  std::nth_element(latencies.begin(), at, latencies.end());
  result.p99_us = *at * 1e6;
  return result;
}

template <class Call>
figures measure(int calls, Call call) {
  using request = decltype(call(0));
  struct under_way {
    request what;
    clock_type::time_point from;
  };
  std::deque<under_way> queue;
  std::vector<double> latencies;
  auto take = [&] {
    if (!queue.front().what.get())
      std::abort();
    duration<double> took = clock_type::now() - queue.front().from;
    latencies.push_back(took.count());
    queue.pop_front();
  };
  auto from = clock_type::now();
  for (int i = 0; i < calls; ++i) {
    if (queue.size() == window)
      take();
    queue.push_back({call(i), clock_type::now()});
  }
  while (!queue.empty())
    take();
  duration<double> took = clock_type::now() - from;
  return figures_of(std::move(latencies), took.count());
}

// The last line that a Python program prints, as numbers.
figures python_says(const std::string& code) {
  auto line = "/usr/bin/python3 -c '" + code + "'";
  figures result;
  if (auto* out = ::popen(line.c_str(), "r")) {
    if (std::fscanf(out, "%lf %lf", &result.rate, &result.p99_us) < 1)
      result = {};
    ::pclose(out);
  }
  return result;
}

std::string pool_code(int calls) {
  return R"(
import concurrent.futures, operator, time
calls, window = )"
         + std::to_string(calls) + ", " + std::to_string(window) + R"(
with concurrent.futures.ProcessPoolExecutor(4) as pool:
    for x in [pool.submit(operator.add, 1, 2) for _ in range(64)]: x.result()
    queue, times, begin = [], [], time.perf_counter()
    def take():
        call, t = queue.pop(0); call.result(); times.append(time.perf_counter() - t)
    for i in range(calls):
        if len(queue) == window: take()
        queue.append((pool.submit(operator.add, i, 1), time.perf_counter()))
    while queue: take()
    took = time.perf_counter() - begin
times.sort()
print(calls / took, times[len(times) * 99 // 100] * 1e6)
)";
}

std::string asyncio_code() {
  return R"(
import asyncio, time
async def main():
    times = []
    for _ in range()"
         + std::to_string(runs) + R"():
        t = time.perf_counter()
        p = await asyncio.create_subprocess_exec("true", stdin=-3, stdout=-1, stderr=-1)
        await p.communicate()
        times.append(time.perf_counter() - t)
    times.sort()
    print(times[len(times) // 2] * 1e6, 0)
asyncio.run(main())
)";
}

template <class F>
double median_us(F f) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    auto from = clock_type::now();
    f();
    times.push_back(duration<double>(clock_type::now() - from).count());
  }
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[runs / 2] * 1e6;
}

// Its output is captured, as run_cli does.
void spawn_true() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    std::abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  char name[] = "true";
  char* words[] = {name, nullptr};
  pid_t pid = 0;
  if (::posix_spawnp(&pid, name, &actions, nullptr, words, environ) != 0)
    std::abort();
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  char buffer[64];
  while (::read(ends[0], buffer, sizeof buffer) > 0) {
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
}

void row(const char* what, const figures& x, double against) {
  std::printf("%-34s %10.0f calls/s  p99 %8.0f us", what, x.rate, x.p99_us);
  if (against > 0)
    std::printf("  %6.2f x", x.rate / against);
  std::printf("\n");
}

void compare_calls(pm::process_manager& pm, int calls) {
  auto pool = python_says(pool_code(calls));
  auto begun = clock_type::now();
  (void)pm.run_python("operator:add", "[1,2]").get();
  duration<double> python_start = clock_type::now() - begun;
  begun = clock_type::now();
  (void)pm.run_function<add>(1, 2).get();
  duration<double> function_start = clock_type::now() - begun;
  for (int i = 0; i < 64; ++i) // warm
    (void)pm.run_python("operator:add", "[1,2]").get();
  auto python = measure(calls, [&](int i) {
    return pm.run_python("operator:add", pm::arguments(i, 1));
  });
  for (int i = 0; i < 64; ++i)
    (void)pm.run_function<add>(1, 2).get();
  auto function =
    measure(calls, [&](int i) { return pm.run_function<add>(i, 1); });
  row("ProcessPoolExecutor, 4 workers", pool, 0);
  row("run_python, 4 workers", python, pool.rate);
  row("run_function, 4 workers", function, pool.rate);
  std::printf("%-34s %10.1f ms, the function's %.1f ms\n",
              "the first call, with its worker: Python's",
              python_start.count() * 1e3, function_start.count() * 1e3);
}

void compare_runs(pm::process_manager& pm) {
  auto ours = [&] {
    if (!pm.run_cli({"true"}).get())
      std::abort();
  };
  ours();
  auto asyncio = python_says(asyncio_code()).rate;
  double floor = 0;
  double mine = 0;
  for (int round = 0; round < 3; ++round) {
    floor += median_us(spawn_true) / 3;
    mine += median_us(ours) / 3;
  }
  std::printf("%-34s %10.0f us\n", "posix_spawn of true", floor);
  std::printf("%-34s %10.0f us  %6.2f x\n", "run_cli of true", mine,
              mine / floor);
  std::printf("%-34s %10.0f us  %6.2f x\n", "asyncio", asyncio,
              asyncio / floor);
}

} // namespace

int main(int argc, char** argv) {
  if (auto code = pm::run_worker())
    return *code;
  auto calls = argc > 1 ? std::atoi(argv[1]) : 20'000;
  char folder[] = "/tmp/pm-bench-XXXXXX";
  if (::mkdtemp(folder) == nullptr || calls < 100)
    return 1;
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  {
    pm::manager_options options;
    options.state_dir = folder;
    options.calls.interpreter = "/usr/bin/python3";
    pm::process_manager pm{system, options};
    if (pm.problem()) {
      std::fprintf(stderr, "%s\n", pm.problem()->text.c_str());
      return 1;
    }
    compare_calls(pm, calls);
    compare_runs(pm);
  }
  return std::system(("rm -rf " + std::string{folder}).c_str()) == 0 ? 0 : 1;
}
