#include "apps/pmctl/control_client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace pm::ctl {

namespace {

constexpr size_t read_size = 64u << 10;

// Connects, by way of the directory where the path is too long for a socket
// address. Returns 0 or errno.
int connect_to(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto name = path;
  int directory = -1;
  if (name.size() >= sizeof(address.sun_path)) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos)
      return ENAMETOOLONG;
    directory =
      open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
      return errno;
    name = fmt::format("/proc/self/fd/{}{}", directory, path.substr(slash));
  }
  int outcome = ENAMETOOLONG;
  if (name.size() < sizeof(address.sun_path)) {
    memcpy(address.sun_path, name.c_str(), name.size() + 1);
    do
      outcome =
        ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address))
            == 0
          ? 0
          : errno;
    while (outcome == EINTR);
  }
  if (directory >= 0)
    close(directory);
  return outcome;
}

tl::unexpected<error> no_node(const control_address& where, int number) {
  if (number == EACCES || number == EPERM)
    return fail(ec::not_permitted, "{}: {}", where.socket, strerror(number));
  auto hint = where.state_dir.empty()
                ? std::string{"pm-node"}
                : fmt::format("pm-node --state-dir {}", where.state_dir);
  if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR)
    return fail(ec::unreachable, "no node answers at {}: start one with '{}'",
                where.socket, hint);
  return fail(ec::unreachable,
              "no node answers at {} ({}): start one with "
              "'{}'",
              where.socket, strerror(number), hint);
}

int remaining_ms(const control_client::deadline& until) {
  if (!until)
    return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(
    *until - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

} // namespace

expected<control_client> control_client::connect(const control_address& where) {
  auto fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return fail_errno(errno, "socket");
  control_client client{fd, where.socket};
  if (auto number = connect_to(fd, where.socket); number != 0)
    return no_node(where, number);
  return client;
}

control_client::control_client(int fd, std::string path)
  : fd_(fd), path_(std::move(path)) {}

control_client::control_client(control_client&& other) noexcept
  : fd_(std::exchange(other.fd_, -1)),
    path_(std::move(other.path_)),
    input_(std::move(other.input_)),
    begin_(other.begin_),
    scanned_(other.scanned_),
    last_id_(other.last_id_) {}

control_client::~control_client() {
  if (fd_ >= 0)
    close(fd_);
}

tl::unexpected<error> control_client::gone() const {
  return fail(ec::unreachable, "the node at {} closed the connection", path_);
}

expected<void> control_client::send_line(const std::string& line) {
  if (line.size() > line_max)
    return fail(ec::invalid_argument,
                "the request has {} bytes; the node takes {} at most",
                line.size(), line_max);
  std::string_view rest = line;
  while (!rest.empty()) {
    auto n = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n >= 0)
      rest.remove_prefix(static_cast<size_t>(n));
    else if (errno == EPIPE || errno == ECONNRESET)
      // What the node said before it went may still be there to be read.
      return {};
    else if (errno != EINTR)
      return fail_errno(errno, "send to " + path_);
  }
  return {};
}

expected<int> control_client::request(std::string_view method,
                                      std::string_view params) {
  auto id = ++last_id_;
  auto sent = send_line(fmt::format(
    "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{}\",\"params\":{}}}\n", id,
    method, params));
  if (!sent)
    return tl::make_unexpected(std::move(sent.error()));
  return id;
}

expected<void> control_client::notify(std::string_view method,
                                      std::string_view params) {
  return send_line(
    fmt::format("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{}}}\n",
                method, params));
}

std::optional<std::string_view> control_client::next_line() {
  auto end = input_.find('\n', scanned_);
  if (end == std::string::npos) {
    // Lines taken before are dropped only here, where no view into them lives.
    input_.erase(0, begin_);
    begin_ = 0;
    scanned_ = input_.size();
    return std::nullopt;
  }
  auto line = std::string_view{input_}.substr(begin_, end - begin_);
  begin_ = scanned_ = end + 1;
  return line;
}

tl::unexpected<error> control_client::too_long() const {
  return fail(ec::protocol_violation,
              "the node at {} sends a line of more than {} bytes", path_,
              line_max);
}

expected<control_message>
control_client::read_message(std::string_view line) const {
  if (line.size() > line_max)
    return too_long();
  return control_message::parse(line);
}

expected<bool> control_client::read_some(bool wait) {
  if (input_.size() - begin_ > line_max)
    return too_long();
  auto used = input_.size();
  // Grows with what has come, so that a long line is not read in small bites.
  auto size = std::max(read_size, used);
  input_.resize(used + size);
  ssize_t n = 0;
  do
    n = recv(fd_, input_.data() + used, size, wait ? 0 : MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  auto number = errno;
  input_.resize(used + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n > 0)
    return true;
  if (n == 0 || number == ECONNRESET)
    return gone();
  if (number == EAGAIN)
    return false;
  return fail_errno(number, "receive from " + path_);
}

expected<control_message> control_client::receive(deadline until) {
  for (;;) {
    if (auto line = next_line())
      return read_message(*line);
    pollfd readable{fd_, POLLIN, 0};
    if (until && ::poll(&readable, 1, remaining_ms(until)) == 0)
      return fail(ec::timeout, "the node at {} did not answer in time", path_);
    if (auto ok = read_some(true); !ok)
      return tl::make_unexpected(std::move(ok.error()));
  }
}

expected<std::optional<control_message>> control_client::poll() {
  for (;;) {
    if (auto line = next_line()) {
      auto message = read_message(*line);
      if (!message)
        return tl::make_unexpected(std::move(message.error()));
      return std::optional{std::move(*message)};
    }
    auto more = read_some(false);
    if (!more)
      return tl::make_unexpected(std::move(more.error()));
    if (!*more)
      return std::optional<control_message>{};
  }
}

expected<control_message> control_client::call(std::string_view method,
                                               std::string_view params,
                                               deadline until) {
  auto id = request(method, params);
  if (!id)
    return tl::make_unexpected(std::move(id.error()));
  for (;;) {
    auto message = receive(until);
    if (!message)
      return message;
    // A failure without an id is about the connection as a whole.
    if (message->is == control_message::what::failure
        && (message->id == *id || message->id == 0))
      return tl::make_unexpected(std::move(message->why));
    if (message->is == control_message::what::reply && message->id == *id)
      return message;
  }
}

} // namespace pm::ctl
