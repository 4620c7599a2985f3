#include <array>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>

#include "apps/pm_keeper/keeper_loop.hpp"
#include "apps/pm_keeper/spawn_child.hpp"
#include "runtime/keeper/protocol.hpp"
#include "runtime/os/clone_child.hpp"

extern "C" char __executable_start; // both from the linker
extern "C" char etext;

namespace {

using namespace pm::keeper;

constexpr char usage[] =
  R"(usage: pm-keeper --state-dir DIR

Spawns, reaps and holds the processes of the pm-node that uses DIR. A node
starts it by itself; it leaves when it has nothing left to keep.

  --state-dir DIR  the state directory, which must exist and be yours
  --ready-fd N     write "R" to descriptor N when ready, "E<text>" on failure
  --nofile N       the soft limit of descriptors that processes get (ours)
  --help           print this
  --version        print the version
  --takes-over N   whether this program can take the place of a keeper that
                   leaves its state in format N: exit code 0, else 1
)";

constexpr int kept_ready_fd = first_private_fd;

struct arguments {
  const char* state_dir = nullptr;
  int ready_fd = -1;
  int take_over_fd = -1; // a keeper goes on as this program
  uint64_t nofile_soft = 0;
};

// Takes "--name VALUE" or "--name=VALUE" at argv[i]; null if it is not there.
const char* option(char** argv, int& i, const char* name) noexcept {
  auto size = std::strlen(name);
  if (std::strncmp(argv[i], name, size) != 0)
    return nullptr;
  if (argv[i][size] == '=')
    return argv[i] + size + 1;
  return argv[i][size] == 0 && argv[i + 1] != nullptr ? argv[++i] : nullptr;
}

arguments parse(char** argv) noexcept {
  arguments result;
  for (int i = 1; argv[i] != nullptr; ++i) {
    if (std::strcmp(argv[i], "--help") == 0) {
      std::fputs(usage, stdout);
      std::exit(0);
    } else if (std::strcmp(argv[i], "--version") == 0) {
      std::puts("pm-keeper " PM_VERSION);
      std::exit(0);
    } else if (auto format = option(argv, i, "--takes-over")) {
      std::exit(std::strtoul(format, nullptr, 10) == handover_format ? 0 : 1);
    } else if (auto dir = option(argv, i, "--state-dir")) {
      result.state_dir = dir;
    } else if (auto fd = option(argv, i, "--ready-fd")) {
      result.ready_fd = std::atoi(fd);
    } else if (auto left = option(argv, i, "--take-over-fd")) {
      result.take_over_fd = std::atoi(left);
    } else if (auto limit = option(argv, i, "--nofile")) {
      result.nofile_soft = std::strtoull(limit, nullptr, 10);
    } else {
      std::fprintf(stderr, "pm-keeper: %s: unknown argument\n%s", argv[i],
                   usage);
      std::exit(2);
    }
  }
  if (result.state_dir == nullptr) {
    std::fprintf(stderr, "pm-keeper: --state-dir is needed\n%s", usage);
    std::exit(2);
  }
  return result;
}

// Makes the world as children shall find it: nothing handled or ignored.
// Every signal is blocked instead, so that no terminal and no broken pipe
// ends the keeper, and no handler ever runs in a half-made child.
void quiet_signals() noexcept {
  for (int number = 1; number < NSIG; ++number)
    std::signal(number, SIG_DFL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

// Opens /dev/null at the number `fd`.
bool null_at(int fd, int mode) noexcept {
  pm::unique_fd null{::open("/dev/null", mode | O_CLOEXEC)};
  // The child's stdin, and our own outputs, survive exec.
  auto flags = fd > 2 ? O_CLOEXEC : 0;
  if (null.get() == fd)
    return ::fcntl(null.release(), F_SETFD, flags != 0 ? FD_CLOEXEC : 0) == 0;
  return null && ::dup3(null.get(), fd, flags) == fd;
}

// Closes what we have inherited, but for stderr and the readiness pipe, and
// fills the low numbers, so that nothing of ours is ever there.
bool arrange_descriptors(int& ready_fd) noexcept {
  if (ready_fd >= 0 && ready_fd != kept_ready_fd)
    ready_fd = ::dup3(ready_fd, kept_ready_fd, O_CLOEXEC);
  ::close_range(kept_ready_fd + 1, ~0u, 0);
  for (int fd = slot_stdin; fd <= slot_runs_file; ++fd)
    if (!null_at(fd, O_RDWR))
      return false;
  if (ready_fd < 0)
    ::close(kept_ready_fd);
  return null_at(0, O_RDONLY) && null_at(1, O_WRONLY)
         && (::fcntl(2, F_GETFD) >= 0 || null_at(2, O_WRONLY));
}

// Lets go of the code that only a start needs; what is used comes back from
// the page cache.
void forget_start() noexcept {
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto first = reinterpret_cast<uintptr_t>(&__executable_start) & ~(page - 1);
  auto last = reinterpret_cast<uintptr_t>(&etext) & ~(page - 1);
  ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

[[noreturn]] void give_up(int ready_fd, const char* text) noexcept {
  std::fprintf(stderr, "pm-keeper: %s\n", text);
  if (ready_fd >= 0) {
    [[maybe_unused]] auto mark = ::write(ready_fd, "E", 1);
    [[maybe_unused]] auto size = ::write(ready_fd, text, std::strlen(text));
  }
  std::exit(1);
}

// The low numbers again, and the state of the program before; what it has left
// open stays open.
const char* take_place(const arguments& args, const char* path,
                       keeper_home& home, keeper_loop& loop) noexcept {
  pm::unique_fd memory{args.take_over_fd};
  handover_head head;
  if (!read_handover(memory.get(), head))
    return "what the keeper before has left is of another format";
  for (int fd = slot_stdin; fd <= slot_runs_file; ++fd)
    if (!null_at(fd, O_RDWR))
      return explain("/dev/null", errno);
  if (auto bad = home.take(path, head.lock, head.listener))
    return bad;
  if (auto bad = loop.open(args.nofile_soft))
    return bad;
  return loop.take(memory.get(), head);
}

} // namespace

int main(int, char** argv) {
  auto args = parse(argv);
  quiet_signals();
  // Opened before the descriptors move; relative to where we were started.
  static std::array<char, PATH_MAX> path;
  if (::realpath(args.state_dir, path.data()) == nullptr)
    give_up(args.ready_fd, explain(args.state_dir, errno));
  static keeper_home home;
  static keeper_loop loop{home};
  if (args.take_over_fd >= 0) {
    if (auto bad = take_place(args, path.data(), home, loop))
      give_up(-1, bad);
    forget_start();
    return loop.run();
  }
  if (!arrange_descriptors(args.ready_fd))
    give_up(args.ready_fd, explain("/dev/null", errno));
  ::setsid();
  if (::chdir("/") != 0)
    give_up(args.ready_fd, explain("/", errno));
  if (auto bad = home.open(path.data()))
    give_up(args.ready_fd, bad);
  if (auto bad = loop.open(args.nofile_soft))
    give_up(args.ready_fd, bad);
  if (auto bad = home.announce())
    give_up(args.ready_fd, bad);
  null_at(2, O_WRONLY);
  if (args.ready_fd >= 0) {
    [[maybe_unused]] auto size = ::write(args.ready_fd, "R", 1);
    ::close(args.ready_fd);
  }
  forget_start();
  return loop.run();
}
