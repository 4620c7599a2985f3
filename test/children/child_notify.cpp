// Says of itself what its arguments are, in order (sd_notify(3)):
//   NAME=value   says it
//   barrier      waits until all that was said has been taken
//   +MS          sleeps so many milliseconds
//   loop         goes on from here again, for ever
// Then it waits for a signal; after `exit` it ends.

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace {

bool say(const std::string& text, int fd = -1) {
  auto* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  if (path == nullptr || std::strlen(path) >= sizeof(to.sun_path))
    return false;
  to.sun_family = AF_UNIX;
  std::strcpy(to.sun_path, path);
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr header{};
  header.msg_name = &to;
  header.msg_namelen = sizeof(to);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    auto* with = CMSG_FIRSTHDR(&header);
    with->cmsg_level = SOL_SOCKET;
    with->cmsg_type = SCM_RIGHTS;
    with->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(with), &fd, sizeof(fd));
  }
  int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  auto sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  ::close(socket);
  return sent >= 0;
}

bool pass_barrier() {
  int ends[2];
  if (::pipe(ends) != 0 || !say("BARRIER=1", ends[1]))
    return false;
  ::close(ends[1]);
  pollfd wanted{ends[0], POLLHUP, 0};
  auto passed = ::poll(&wanted, 1, 20'000) == 1;
  ::close(ends[0]);
  return passed;
}

} // namespace

int main(int argc, char** argv) {
  int again = 0;
  for (int i = 1; i < argc || again != 0; ++i) {
    if (i >= argc)
      i = again;
    std::string word = argv[i];
    auto done = true;
    if (word == "loop")
      again = i + 1;
    else if (word == "exit")
      return 0;
    else if (word == "barrier")
      done = pass_barrier();
    else if (word[0] == '+')
      ::usleep(static_cast<useconds_t>(std::stoi(word)) * 1000);
    else
      done = say(word);
    if (!done && again == 0) { // a node may be away
      std::fprintf(stderr, "%s: %s\n", word.c_str(), std::strerror(errno));
      return 1;
    }
  }
  for (;;)
    ::pause();
}
