#include "apps/pmctl/run_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <pm/ids.hpp>

#include "apps/pmctl/base64.hpp"

namespace pm::ctl {

namespace {

constexpr size_t stdin_piece = 64u << 10;
constexpr std::array passed_on{SIGINT,  SIGTERM, SIGHUP,
                               SIGQUIT, SIGUSR1, SIGUSR2};

std::string_view text_of(const rapidjson::Value& object, const char* name) {
  auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsString())
    return {};
  return {found->value.GetString(), found->value.GetStringLength()};
}

} // namespace

run_stream::run_stream(control_client& node, int id, bool is_command)
  : node_(node),
    id_(id),
    input_open_(is_command && fcntl(STDIN_FILENO, F_GETFD) >= 0) {
  outputs_[0].name = "stdout";
  outputs_[0].fd = is_command ? STDOUT_FILENO : STDERR_FILENO;
  outputs_[1].name = "stderr";
  outputs_[1].fd = STDERR_FILENO;
  for (auto& x : outputs_)
    x.escapes = isatty(x.fd) == 1;
}

run_stream::~run_stream() {
  if (signals_ >= 0)
    close(signals_);
}

void run_stream::catch_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (auto number : passed_on)
    sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

std::string run_stream::about(std::string_view more) const {
  return fmt::format("{{\"id\":{}{}}}", id_, more);
}

expected<control_message> run_stream::finish() {
  auto idle = [&] {
    return outputs_[0].pending.empty() && outputs_[1].pending.empty();
  };
  expected<void> outcome = take_messages();
  while (outcome && !(reply_ && idle())) {
    auto wants_input = started_ && input_open_ && input_ready_ && !reply_;
    std::array<pollfd, 5> fds{
      pollfd{reply_ ? -1 : node_.fd(), POLLIN, 0},
      pollfd{reply_ ? -1 : signals_, POLLIN, 0},
      pollfd{wants_input ? STDIN_FILENO : -1, POLLIN, 0},
      pollfd{outputs_[0].pending.empty() ? -1 : outputs_[0].fd, POLLOUT, 0},
      pollfd{outputs_[1].pending.empty() ? -1 : outputs_[1].fd, POLLOUT, 0}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
      return fail_errno(errno, "poll");
    if (fds[1].revents)
      outcome = pass_signals();
    if (outcome && fds[0].revents)
      outcome = take_messages();
    for (int which = 0; which < 2; ++which)
      if (outcome && fds[3 + which].revents)
        outcome = write_some(which);
    if (outcome && fds[2].revents)
      outcome = feed_stdin();
  }
  if (!outcome)
    return tl::make_unexpected(std::move(outcome.error()));
  return std::move(*reply_);
}

expected<void> run_stream::take_messages() {
  while (!reply_) {
    auto message = node_.poll();
    if (!message)
      return tl::make_unexpected(std::move(message.error()));
    if (!*message)
      return {};
    if (auto ok = take(std::move(**message)); !ok)
      return ok;
  }
  return {};
}

expected<void> run_stream::take(control_message message) {
  using what = control_message::what;
  if (message.is == what::failure && (message.id == id_ || message.id == 0))
    return tl::make_unexpected(std::move(message.why));
  if (message.id != id_)
    return {};
  if (message.is == what::reply) {
    for (auto& x : outputs_)
      if (x.escapes)
        x.pending += x.filter.finish();
    reply_ = std::move(message);
  } else if (message.method == "started") {
    started_ = true;
    // Until now a signal ended this process, and with it the run.
    catch_signals();
  } else if (message.method == "output") {
    return take_output(message.body());
  } else if (message.method == "stdin_ready") {
    input_ready_ = true;
    auto closed = message.body().FindMember("closed");
    if (closed != message.body().MemberEnd() && closed->value.IsTrue())
      input_open_ = false;
  }
  return {};
}

expected<void> run_stream::take_output(const rapidjson::Value& params) {
  auto bytes = from_base64(text_of(params, "data"));
  auto name = text_of(params, "stream");
  auto to = std::find_if(outputs_.begin(), outputs_.end(),
                         [&](auto& x) { return x.name == name; });
  if (!bytes || to == outputs_.end())
    return fail(ec::protocol_violation, "the node sent output that cannot be "
                                        "read");
  to->credit += bytes->size();
  if (!to->broken)
    to->pending += to->escapes ? to->filter.feed(*bytes) : *bytes;
  // Nothing to write may come of it: part of a character, or nobody reads.
  return to->pending.empty() ? give_back(*to) : expected<void>{};
}

expected<void> run_stream::give_back(output& to) {
  if (to.credit == 0 || reply_)
    return {};
  auto bytes = std::exchange(to.credit, 0);
  return node_.notify(
    "consumed",
    about(fmt::format(",\"stream\":\"{}\",\"bytes\":{}", to.name, bytes)));
}

expected<void> run_stream::write_some(int which) {
  auto& from = outputs_[static_cast<size_t>(which)];
  // A pipe that polls writable takes this much without waiting.
  auto size = std::min<size_t>(from.pending.size(), PIPE_BUF);
  // What was written is cut off once for a batch, not once for a page.
  size_t done = 0;
  auto fd = from.fd;
  for (;;) {
    auto n = write(fd, from.pending.data() + done, size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
      break;
    if (n < 0) {
      from.broken = true;
      done = from.pending.size();
      break;
    }
    done += static_cast<size_t>(n);
    size = std::min<size_t>(from.pending.size() - done, PIPE_BUF);
    pollfd writable{fd, POLLOUT, 0};
    if (size == 0 || ::poll(&writable, 1, 0) <= 0)
      break;
  }
  from.pending.erase(0, done);
  return from.pending.empty() ? give_back(from) : expected<void>{};
}

expected<void> run_stream::feed_stdin() {
  std::string piece(stdin_piece, '\0');
  auto n = read(STDIN_FILENO, piece.data(), piece.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return {};
  if (n <= 0) {
    input_open_ = false;
    return node_.notify("stdin_close", about(""));
  }
  piece.resize(static_cast<size_t>(n));
  input_ready_ = false;
  return node_.notify("stdin", about(",\"data\":\"" + to_base64(piece) + "\""));
}

expected<void> run_stream::pass_signals() {
  signalfd_siginfo one{};
  while (read(signals_, &one, sizeof(one)) == sizeof(one)) {
    auto name = signal_name(static_cast<int>(one.ssi_signo));
    if (auto ok =
          node_.notify("run_signal", about(",\"signal\":\"" + name + "\""));
        !ok)
      return ok;
  }
  return {};
}

} // namespace pm::ctl
