#include <pm/line_server.hpp>

#include <cstring>
#include <unordered_set>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "runtime/loop/line_peer.hpp"

namespace pm {

namespace {

constexpr int accepts_per_turn = 64;
constexpr std::chrono::milliseconds accept_pause{100};

// A socket's directory, held open: through it, an address of any length fits
// into the 108 bytes that the kernel allows.
struct socket_place {
  unique_fd directory;
  std::string name;

  expected<sockaddr_un> address() const {
    sockaddr_un result{};
    result.sun_family = AF_UNIX;
    auto path = fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
    if (name.empty() || path.size() >= sizeof(result.sun_path))
      return fail(ec::invalid_argument, "socket '{}': the name is too long",
                  name);
    std::memcpy(result.sun_path, path.c_str(), path.size() + 1);
    return result;
  }
};

expected<socket_place> place_of(const std::string& path) {
  socket_place result;
  auto slash = path.rfind('/');
  auto directory =
    slash == std::string::npos ? std::string{"."} : path.substr(0, slash + 1);
  result.name = slash == std::string::npos ? path : path.substr(slash + 1);
  result.directory.reset(
    ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!result.directory)
    return fail_errno(errno, "socket " + path);
  return result;
}

unique_fd make_socket() {
  return unique_fd{
    ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

// Removes the socket of a server that is gone; refuses to touch anything else.
expected<void> remove_stale(const socket_place& place,
                            const sockaddr_un& address,
                            const std::string& path) {
  struct stat status {};
  if (::fstatat(place.directory.get(), place.name.c_str(), &status,
                AT_SYMLINK_NOFOLLOW)
      != 0)
    return {};
  if (!S_ISSOCK(status.st_mode))
    return fail(ec::already_exists, "socket {}: something else is there", path);
  auto probe = make_socket();
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address))
        == 0
      || errno == EAGAIN)
    return fail(ec::already_exists, "socket {}: somebody is serving it", path);
  ::unlinkat(place.directory.get(), place.name.c_str(), 0);
  return {};
}

class line_server_impl : public line_server, public line_peer_owner {
public:
  line_server_impl(event_loop& loop, socket_place place, line_handlers handlers,
                   line_limits limits)
    : loop_(loop),
      place_(std::move(place)),
      handlers_(std::move(handlers)),
      limits_(limits) {}

  ~line_server_impl() override {
    stop_listening();
    for (auto& peer : peers_)
      peer->abandon();
  }

  expected<void> listen(const std::string& path) {
    auto address = place_.address();
    if (!address)
      return tl::make_unexpected(address.error());
    if (auto done = remove_stale(place_, *address, path); !done)
      return done;
    socket_ = make_socket();
    // The mode is set before anybody can connect: listen comes after it.
    if (!socket_
        || ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&*address),
                  sizeof(*address))
             != 0)
      return fail_errno(errno, "socket " + path);
    is_bound_ = true;
    if (::fchmodat(place_.directory.get(), place_.name.c_str(), 0600, 0) != 0
        || ::listen(socket_.get(), SOMAXCONN) != 0)
      return fail_errno(errno, "socket " + path);
    auto watch = loop_.watch(socket_.get(), fd_event::readable,
                             [this](unsigned) { accept_some(); });
    if (!watch)
      return tl::make_unexpected(watch.error());
    watch_ = std::move(*watch);
    resume_ = loop_.timer([this] { watch_.set(fd_event::readable); });
    return {};
  }

  size_t connection_count() const noexcept override { return peers_.size(); }

  void stop_listening() override {
    watch_ = {};
    resume_ = {};
    socket_.reset();
    if (std::exchange(is_bound_, false))
      ::unlinkat(place_.directory.get(), place_.name.c_str(), 0);
  }

  void on_line(const std::shared_ptr<line_peer>& from,
               std::string_view line) override {
    if (handlers_.on_line)
      handlers_.on_line(from, line);
  }

  void on_drained(const std::shared_ptr<line_peer>& from) override {
    if (handlers_.on_drained)
      handlers_.on_drained(from);
  }

  void on_end(const std::shared_ptr<line_peer>& from) override {
    if (handlers_.on_end)
      handlers_.on_end(from);
    else
      from->close();
  }

  void on_closed(const std::shared_ptr<line_peer>& from,
                 const error& why) override {
    auto kept = from;
    peers_.erase(kept);
    if (handlers_.on_closed)
      handlers_.on_closed(kept, why);
  }

private:
  void accept_some() {
    for (int i = 0; i < accepts_per_turn && socket_; ++i) {
      unique_fd accepted{::accept4(socket_.get(), nullptr, nullptr,
                                   SOCK_CLOEXEC | SOCK_NONBLOCK)};
      if (!accepted) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
          pause();
        return;
      }
      add(std::move(accepted));
    }
  }

  // No descriptors are left: the connection stays in the backlog, and would
  // wake the loop for ever.
  void pause() {
    watch_.set(0);
    resume_.arm(std::chrono::steady_clock::now() + accept_pause);
  }

  void add(unique_fd accepted) {
    ucred who{};
    socklen_t size = sizeof(who);
    if (peers_.size() >= limits_.connections_max
        || ::getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &who, &size)
             != 0)
      return;
    auto peer = std::make_shared<line_peer>(
      loop_, *this, std::move(accepted),
      peer_credentials{who.pid, who.uid, who.gid}, limits_);
    if (!peer->start())
      return;
    peers_.insert(peer);
    if (handlers_.on_open)
      handlers_.on_open(peer);
  }

  event_loop& loop_;
  socket_place place_;
  line_handlers handlers_;
  line_limits limits_;
  unique_fd socket_;
  fd_watch watch_; // ends before the descriptor does
  loop_timer resume_;
  bool is_bound_ = false;
  std::unordered_set<std::shared_ptr<line_peer>> peers_;
};

} // namespace

expected<std::unique_ptr<line_server>>
line_server::listen(event_loop& loop, const std::string& path,
                    line_handlers handlers, line_limits limits) {
  auto place = place_of(path);
  if (!place)
    return tl::make_unexpected(place.error());
  auto result = std::make_unique<line_server_impl>(loop, std::move(*place),
                                                   std::move(handlers), limits);
  if (auto done = result->listen(path); !done)
    return tl::make_unexpected(done.error());
  return result;
}

} // namespace pm
