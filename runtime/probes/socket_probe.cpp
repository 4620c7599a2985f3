#include "runtime/probes/socket_probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

namespace pm {

namespace {

// The status line is at the beginning; nothing else is looked at.
constexpr size_t answer_max = 4096;

struct address_text {
  int error = 0; // of getaddrinfo(3)
  sockaddr_storage address{};
  socklen_t size = 0;
};

address_text look_up(const std::string& host, int port, bool numeric) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  address_text result;
  result.error =
    ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result.error == 0) {
    std::memcpy(&result.address, found->ai_addr, found->ai_addrlen);
    result.size = found->ai_addrlen;
    ::freeaddrinfo(found);
  }
  return result;
}

std::string request_of(const probe_spec& x) {
  auto result = fmt::format("GET {} HTTP/1.1\r\n"
                            "User-Agent: pm\r\nConnection: close\r\n",
                            x.path);
  auto is_host = [](auto& header) {
    return ::strcasecmp(header.first.c_str(), "host") == 0;
  };
  auto brackets = x.host.find(':') != x.host.npos; // an IPv6 address
  if (std::none_of(x.headers.begin(), x.headers.end(), is_host))
    result += fmt::format("Host: {}{}{}:{}\r\n", brackets ? "[" : "", x.host,
                          brackets ? "]" : "", x.port);
  for (auto& [name, value] : x.headers)
    result += fmt::format("{}: {}\r\n", name, value);
  return result + "\r\n";
}

// The code in "HTTP/1.1 200 OK"; 0: it is none.
int status_of(std::string_view text) {
  constexpr std::string_view start = "HTTP/1.";
  if (!text.starts_with(start) || text.size() < start.size() + 5)
    return 0;
  text.remove_prefix(start.size() + 2);
  int code = 0;
  auto read = std::from_chars(text.data(), text.data() + 3, code);
  return read.ptr == text.data() + 3 ? code : 0;
}

} // namespace

socket_probe::socket_probe(event_loop& loop, probe_spec what,
                           std::function<void(probe_answer)> done)
  : loop_(loop), what_(std::move(what)), done_(std::move(done)) {}

void socket_probe::begin() {
  auto self = shared_from_this();
  timer_ =
    loop_.timer_at(std::chrono::steady_clock::now() + what_.timeout, [self] {
      self->finish(false, fmt::format("no answer within {}",
                                      format_duration(self->what_.timeout)));
    });
  auto found =
    std::make_shared<address_text>(look_up(what_.host, what_.port, true));
  auto go_on = [self, found] {
    if (!self->done_)
      return; // too late
    if (found->error != 0)
      return self->finish(false, fmt::format("{}: {}", self->what_.host,
                                             ::gai_strerror(found->error)));
    self->connect_to(found->address, found->size);
  };
  if (found->error == 0)
    return go_on();
  loop_.work([found, host = what_.host,
              port = what_.port] { *found = look_up(host, port, false); },
             go_on);
}

void socket_probe::cancel() {
  finish(false, "it was not asked further");
}

void socket_probe::connect_to(const sockaddr_storage& address, unsigned size) {
  socket_.reset(
    ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_)
    return finish(false, std::strerror(errno));
  auto outcome =
    ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size);
  if (outcome != 0 && errno != EINPROGRESS)
    return finish(false, std::strerror(errno));
  auto watch = loop_.watch(socket_.get(), fd_event::writable,
                           [this](unsigned events) { on_event(events); });
  if (!watch)
    return finish(false, watch.error().text);
  watch_ = std::move(*watch);
}

void socket_probe::on_event(unsigned events) {
  auto self = shared_from_this();
  if (is_connected_)
    return (events & fd_event::readable) != 0 ? read_answer() : send_request();
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0)
    return finish(false, std::strerror(error));
  if (what_.kind == probe_kind::tcp)
    return finish(true, "connected");
  is_connected_ = true;
  outgoing_ = request_of(what_);
  send_request();
}

void socket_probe::send_request() {
  auto count = ::send(socket_.get(), outgoing_.data(), outgoing_.size(),
                      MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && errno != EAGAIN && errno != EINTR)
    return finish(false, std::strerror(errno));
  outgoing_.erase(0, static_cast<size_t>(std::max<ssize_t>(count, 0)));
  watch_.set(outgoing_.empty() ? fd_event::readable
                               : fd_event::readable | fd_event::writable);
}

void socket_probe::read_answer() {
  std::array<char, answer_max> buffer;
  auto count =
    ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (count < 0)
    return finish(false, std::strerror(errno));
  incoming_.append(buffer.data(), static_cast<size_t>(count));
  auto is_whole = incoming_.find('\n') != std::string::npos;
  if (!is_whole && count > 0 && incoming_.size() < answer_max)
    return;
  auto code = status_of(incoming_);
  if (code == 0)
    return finish(false, "its answer is not HTTP");
  finish(code >= 200 && code < 400, fmt::format("status {}", code));
}

void socket_probe::finish(bool good, std::string text) {
  auto self = shared_from_this();
  timer_ = {};
  watch_ = {};
  socket_.reset();
  if (auto done = std::exchange(done_, {}))
    done({good, std::move(text), 0});
}

} // namespace pm
