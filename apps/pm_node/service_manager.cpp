#include "apps/pm_node/service_manager.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/os/unique_fd.hpp"

namespace pm {

void tell_service_manager(std::string_view state) noexcept {
  auto* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  auto size = path == nullptr ? 0 : std::strlen(path);
  if (size < 2 || size >= sizeof(to.sun_path))
    return;
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, path, size);
  if (to.sun_path[0] == '@') // a name without a file
    to.sun_path[0] = '\0';
  unique_fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
           reinterpret_cast<sockaddr*>(&to),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
}

} // namespace pm
