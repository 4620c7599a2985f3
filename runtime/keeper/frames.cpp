#include "runtime/keeper/frames.hpp"

#include <cstring>
#include <sys/socket.h>

namespace pm::keeper {

namespace {

constexpr size_t control_size = CMSG_SPACE(frame_fds_max * sizeof(int));

void take_descriptors(msghdr& message, frame_fds& fds) noexcept {
  for (auto head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
      continue;
    auto count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
      if (fds.count < frame_fds_max)
        fds.fds[fds.count++] = beyond_stdio(fd);
      else
        unique_fd{fd}.reset();
    }
  }
}

} // namespace

int send_frame(int socket, std::span<const std::byte> frame,
               std::span<const int> fds) noexcept {
  if (fds.size() > frame_fds_max)
    return EINVAL;
  iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
  alignas(cmsghdr) char control[control_size] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    auto head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
  }
  ssize_t sent = -1;
  do
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

received receive_frame(int socket, std::span<std::byte> buffer,
                       frame_fds& fds) noexcept {
  fds.clear();
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[control_size] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size = -1;
  do
    size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (size < 0 && errno == EINTR);
  if (size < 0)
    return {errno, 0};
  take_descriptors(message, fds);
  fds.lost = (message.msg_flags & MSG_CTRUNC) != 0;
  if ((message.msg_flags & MSG_TRUNC) != 0)
    return {EMSGSIZE, 0};
  return {0, static_cast<size_t>(size)};
}

} // namespace pm::keeper
