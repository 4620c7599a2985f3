#include "runtime/loop/notify_socket.hpp"

#include <array>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace pm {

namespace {

constexpr int reads_per_turn = 64;
constexpr size_t message_max = 4096;
constexpr size_t fds_max = 16;

// The sender's pid, and the descriptors that came along, which end here.
struct attachments {
  int pid = 0;
  std::array<unique_fd, fds_max> fds;

  void take(msghdr& header) {
    size_t count = 0;
    for (auto* x = CMSG_FIRSTHDR(&header); x != nullptr;
         x = CMSG_NXTHDR(&header, x)) {
      if (x->cmsg_level != SOL_SOCKET)
        continue;
      if (x->cmsg_type == SCM_CREDENTIALS) {
        ucred who{};
        std::memcpy(&who, CMSG_DATA(x), sizeof(who));
        pid = who.pid;
      } else if (x->cmsg_type == SCM_RIGHTS) {
        auto size = (x->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < size && count < fds_max; ++i) {
          int fd = -1;
          std::memcpy(&fd, CMSG_DATA(x) + i * sizeof(int), sizeof(fd));
          fds[count++].reset(fd);
        }
      }
    }
  }
};

} // namespace

notify_socket::notify_socket(std::string path, message_fn fn)
  : path_(std::move(path)), fn_(std::move(fn)) {}

notify_socket::~notify_socket() {
  watch_ = {};
  if (socket_)
    ::unlink(path_.c_str());
}

bool notify_socket::can_name(const std::string& path) {
  return path.size() < sizeof(sockaddr_un{}.sun_path);
}

expected<std::unique_ptr<notify_socket>>
notify_socket::listen(event_loop& loop, const std::string& path, bool is_shared,
                      message_fn fn) {
  if (!can_name(path))
    return fail(ec::invalid_argument, "socket {}: the name is too long", path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode))
      return fail(ec::already_exists, "socket {}: something else is there",
                  path);
    ::unlink(path.c_str());
  }
  std::unique_ptr<notify_socket> result{new notify_socket{path, std::move(fn)}};
  auto socket = beyond_stdio(
    ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  int yes = 1; // before there can be a sender
  if (!socket
      || ::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes))
           != 0
      || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof(address))
           != 0)
    return fail_errno(errno, "socket " + path);
  result->socket_ = std::move(socket);
  if (::chmod(path.c_str(), is_shared ? 0666 : 0600) != 0)
    return fail_errno(errno, "socket " + path);
  auto watch = loop.watch(result->socket_.get(), fd_event::readable,
                          [x = result.get()](unsigned) { x->read_some(); });
  if (!watch)
    return tl::make_unexpected(watch.error());
  result->watch_ = std::move(*watch);
  return result;
}

// The rest comes with the next turn, so that one sender cannot hold up all
// others.
void notify_socket::read_some() {
  for (int i = 0; i < reads_per_turn && read_one();)
    ++i;
}

bool notify_socket::read_one() {
  char text[message_max];
  alignas(cmsghdr) char
    control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(fds_max * sizeof(int))];
  iovec part{text, sizeof(text)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  auto size =
    ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0)
    return errno == EINTR;
  attachments with;
  with.take(header);
  auto is_whole = (header.msg_flags & MSG_TRUNC) == 0;
  if (with.pid > 0 && is_whole)
    fn_(with.pid, {text, static_cast<size_t>(size)});
  return true;
}

} // namespace pm
