#include "runtime/keeper/launch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vector>

#include "runtime/keeper/launch_child.hpp"
#include "runtime/keeper/protocol.hpp"
#include "runtime/os/clone_child.hpp"
#include "runtime/os/proc.hpp"

namespace pm::keeper {

namespace {

constexpr size_t stack_size = 64u << 10;
constexpr int peer_pidfd_option = 77; // SO_PEERPIDFD, kernel 6.5 or later

// Two stacks for the two children.
class child_stacks {
public:
  child_stacks()
    : at_(::mmap(nullptr, 2 * stack_size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}

  ~child_stacks() {
    if (ok())
      ::munmap(at_, 2 * stack_size);
  }

  child_stacks(const child_stacks&) = delete;
  child_stacks& operator=(const child_stacks&) = delete;

  bool ok() const { return at_ != MAP_FAILED; }

  std::byte* outer() const { return static_cast<std::byte*>(at_); }

  std::byte* inner() const { return outer() + stack_size; }

private:
  void* at_;
};

// Runs the two children; returns the keeper's pidfd.
expected<unique_fd> launch(const std::string& binary,
                           const std::string& state_dir, uint64_t nofile_soft,
                           int ready_fd) {
  unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null)
    return fail_errno(errno, "/dev/null");
  child_stacks stacks;
  if (!stacks.ok())
    return fail_errno(errno, "mmap");
  auto ready = std::to_string(launch_ready_fd);
  auto nofile = std::to_string(nofile_soft);
  std::array<const char*, 8> argv{
    binary.c_str(), "--state-dir", state_dir.c_str(), "--ready-fd",
    ready.c_str(),  "--nofile",    nofile.c_str(),    nullptr};
  if (nofile_soft == 0)
    argv[5] = nullptr;
  std::array<char*, 1> environment{nullptr};
  launch_plan plan;
  plan.binary = binary.c_str();
  plan.argv = const_cast<char* const*>(argv.data());
  plan.environment = environment.data();
  plan.null_fd = null.get();
  plan.ready_fd = ready_fd;
  plan.inner_stack = stacks.inner();
  plan.stack_size = stack_size;
  clone_args args{};
  // The descriptor table is shared so that the keeper's pidfd arrives here.
  // No exit signal: the host's SIGCHLD handler and its plain wait calls never
  // hear of this child.
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
  args.stack = reinterpret_cast<uint64_t>(stacks.outer());
  args.stack_size = stack_size;
  long pid = 0;
  {
    all_signals_blocked blocked;
    pid = clone_child(args, launch_entry, &plan);
  }
  if (pid < 0)
    return fail_errno(static_cast<int>(-pid), "clone3");
  siginfo_t ended{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | __WALL) != 0
         && errno == EINTR) {
  }
  unique_fd pidfd{plan.pidfd};
  if (plan.error_number != 0)
    return fail_errno(plan.error_number, binary);
  return pidfd;
}

// Waits for "R", or the text after "E".
expected<void> wait_ready(int fd, std::chrono::milliseconds deadline) {
  auto until = std::chrono::steady_clock::now() + deadline;
  std::string said;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(
      until - std::chrono::steady_clock::now());
    pollfd entry{fd, POLLIN, 0};
    auto count =
      ::poll(&entry, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fail(ec::keeper_failed, "not ready after {} ms", deadline.count());
    std::array<char, 512> buffer;
    auto size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR)
      continue;
    if (size > 0)
      said.append(buffer.data(), static_cast<size_t>(size));
    if (said.starts_with('R'))
      return {};
    if (size <= 0 && said.empty())
      return fail(ec::unreachable, "ended before it was ready");
    if (size <= 0)
      return fail(ec::keeper_failed, "{}", std::string_view{said}.substr(1));
  }
}

bool is_executable(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)
         && ::access(path.c_str(), X_OK) == 0;
}

std::vector<std::string> keeper_places() {
  constexpr std::string_view name = "/pm-keeper";
  std::vector<std::string> result;
  if (auto named = ::secure_getenv("PM_KEEPER"); named && *named)
    return {named};
  std::array<char, 4096> self;
  auto size = ::readlink("/proc/self/exe", self.data(), self.size());
  if (size > 0) {
    std::string_view path{self.data(), static_cast<size_t>(size)};
    result.emplace_back(path.substr(0, path.rfind('/'))).append(name);
  }
  result.emplace_back(PM_KEEPER_INSTALL_DIR).append(name);
  std::string_view dirs = "/usr/local/bin:/usr/bin";
  if (auto path = ::secure_getenv("PATH"))
    dirs = path;
  while (!dirs.empty()) {
    auto end = dirs.find(':');
    if (auto dir = dirs.substr(0, end); dir.starts_with('/'))
      result.emplace_back(dir).append(name);
    dirs.remove_prefix(end == std::string_view::npos ? dirs.size() : end + 1);
  }
  return result;
}

} // namespace

expected<unique_fd> connect_keeper(const std::string& state_dir) {
  unique_fd dir{::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!dir)
    return fail_errno(errno, state_dir);
  auto result = beyond_stdio(
    ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!result)
    return fail_errno(errno, "socket");
  auto path = fmt::format("{}/{}", state_dir, socket_name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A socket's path has 108 bytes; through the descriptor it has enough.
  if (path.size() >= sizeof(address.sun_path))
    path = fmt::format("/proc/self/fd/{}/{}", dir.get(), socket_name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(result.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address))
      == 0)
    return result;
  if (errno == ENOENT || errno == ECONNREFUSED)
    return fail(ec::unreachable, "no keeper listens in {}", state_dir);
  if (errno == EAGAIN)
    return fail(ec::busy, "the keeper in {} has too many callers", state_dir);
  return fail_errno(errno, path);
}

expected<unique_fd> start_keeper(const keeper_start& how) {
  auto binary = find_keeper(how.binary);
  if (!binary)
    return tl::make_unexpected(binary.error());
  auto failed = [&](const error& why) {
    auto code = why.code == ec::unreachable ? why.code : ec::keeper_failed;
    return fail(code, "keeper {} for {}: {}", *binary, how.state_dir, why.text);
  };
  // The keeper changes its directory, so its argument must be absolute.
  auto absolute = ::realpath(how.state_dir.c_str(), nullptr);
  if (absolute == nullptr)
    return failed(fail_errno(errno, how.state_dir).value());
  std::string state_dir{absolute};
  std::free(absolute);
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return failed(fail_errno(errno, "pipe2").value());
  auto read_end = beyond_stdio(ends[0]);
  auto write_end = beyond_stdio(ends[1]);
  auto pidfd = launch(*binary, state_dir, how.nofile_soft, write_end.get());
  if (!pidfd)
    return failed(pidfd.error());
  write_end.reset();
  if (auto ready = wait_ready(read_end.get(), how.deadline); !ready) {
    // Not ready, so it holds nothing yet.
    (void)send_signal(pidfd->get(), SIGKILL);
    return failed(ready.error());
  }
  auto socket = connect_keeper(state_dir);
  if (!socket)
    return failed(socket.error());
  return socket;
}

expected<unique_fd> connect_or_start_keeper(const keeper_start& how) {
  auto socket = connect_keeper(how.state_dir);
  if (socket || socket.error().code != ec::unreachable)
    return socket;
  auto started = start_keeper(how);
  if (started)
    return started;
  // Somebody else may have started one meanwhile.
  if (auto again = connect_keeper(how.state_dir))
    return again;
  return started;
}

expected<std::string> find_keeper(const std::string& binary) {
  auto places =
    binary.empty() ? keeper_places() : std::vector<std::string>{binary};
  std::string tried;
  for (auto& place : places) {
    if (is_executable(place))
      return place;
    tried.append(tried.empty() ? "" : ", ").append(place);
  }
  return fail(ec::keeper_failed, "pm-keeper was not found; tried {}", tried);
}

expected<peer> peer_of(int socket) {
  ucred who{};
  socklen_t size = sizeof(who);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
    return fail_errno(errno, "SO_PEERCRED");
  peer result;
  result.pid = who.pid;
  result.uid = who.uid;
  int fd = -1;
  size = sizeof(fd);
  if (::getsockopt(socket, SOL_SOCKET, peer_pidfd_option, &fd, &size) == 0) {
    result.pidfd = beyond_stdio(fd);
    return result;
  }
  auto opened = open_pidfd(who.pid);
  if (!opened)
    return tl::make_unexpected(opened.error());
  result.pidfd = std::move(*opened);
  return result;
}

} // namespace pm::keeper
