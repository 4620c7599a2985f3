#include "apps/pmctl/session.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <sys/ioctl.h>
#include <unistd.h>

#include <pm/state_dir.hpp>

#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

// How long the node may be late with its own `timeout` before this end gives
// up on it.
constexpr milliseconds answer_grace{1000};

std::string variable(const char* name) {
  auto text = getenv(name);
  return text ? text : "";
}

look look_of(int fd, bool no_color) {
  look x;
  x.terminal = isatty(fd) == 1;
  if (!x.terminal)
    return x;
  x.colour =
    !no_color && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  winsize size{};
  x.width =
    ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  return x;
}

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

control_address resolve_address(const global_options& options) {
  if (!options.socket.empty())
    return {options.socket, options.state_dir.empty()
                              ? parent_of(options.socket)
                              : options.state_dir};
  // A child of pm asks its own manager, unless something nearer is named.
  auto own = variable("PM_SOCKET");
  if (options.state_dir.empty() && variable("PM_STATE_DIR").empty()
      && !own.empty())
    return {own, parent_of(own)};
  auto directory = resolve_state_dir(options.state_dir);
  return {directory + "/control.sock", directory};
}

// Those that would do harm if they were acted upon twice.
constexpr std::string_view acting_methods[] = {
  "start", "stop", "restart", "remove", "signal", "reset", "scale"};

// A node that has died is back soon, if somebody starts it again.
constexpr std::chrono::seconds node_return_max{5};
constexpr std::chrono::milliseconds node_return_pause{20};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = write(fd, text.data(), text.size());
    if (n >= 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR)
      return false;
  }
  return true;
}

} // namespace

void session::prepare() {
  shown_ = look_of(STDOUT_FILENO, options.no_color);
  address_ = resolve_address(options);
}

expected<control_client*> session::node() {
  if (!client_) {
    auto client = control_client::connect(address_);
    if (!client)
      return tl::make_unexpected(std::move(client.error()));
    client_.emplace(std::move(*client));
  }
  return &*client_;
}

request_params session::params() const {
  request_params x;
  if (!options.correlation_id.empty())
    x.set("correlation_id", options.correlation_id);
  if (options.timeout)
    x.set("timeout_ms", *options.timeout);
  return x;
}

expected<control_message> session::call(std::string_view method,
                                        request_params& params) {
  control_client::deadline until;
  auto begun = std::chrono::steady_clock::now();
  if (options.timeout)
    until = begun + *options.timeout + answer_grace;
  // With a name the request can be sent again after the node's death: one
  // that was acted upon is not again.
  if (std::find(std::begin(acting_methods), std::end(acting_methods), method)
      != std::end(acting_methods))
    params.set("request_id", "pmctl-" + make_correlation_id());
  auto text = params.str();
  auto client = node();
  auto lost = begun; // a request that ends every node is not sent for ever
  for (;;) {
    if (!client)
      return tl::make_unexpected(std::move(client.error()));
    auto sent = std::chrono::steady_clock::now();
    auto reply = (*client)->call(method, text, until);
    if (reply || reply.error().code != ec::unreachable || method == "shutdown")
      return reply;
    auto now = std::chrono::steady_clock::now();
    if (now - sent > node_return_max)
      lost = now;
    client = node_again(until.value_or(lost + node_return_max));
  }
}

expected<control_client*> session::node_again(control_client::deadline until) {
  auto give_up =
    until.value_or(std::chrono::steady_clock::now() + node_return_max);
  for (;;) {
    std::this_thread::sleep_for(node_return_pause);
    client_.reset();
    auto client = node();
    if (client || client.error().code != ec::unreachable
        || std::chrono::steady_clock::now() >= give_up)
      return client;
  }
}

void session::emit(std::string_view text) {
  if (write_all(STDOUT_FILENO, text))
    return;
  auto number = errno;
  if (number != EPIPE)
    complain(fmt::format("write to standard output: {}", strerror(number)));
  _exit(failed);
}

void session::complain(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    out += "pmctl: ";
    out += printable(line);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  complain_bare(out);
}

void session::complain_bare(std::string_view lines) {
  write_all(STDERR_FILENO, lines);
}

int session::refuse(const error& why) {
  complain(why.text);
  return exit_code_for(why);
}

expected<process_view> view_of(const rapidjson::Value& x) {
  process_view view;
  if (auto ok = json::read(x, view, "process"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return view;
}

expected<std::vector<process_view>> views_of(const rapidjson::Value& x) {
  std::vector<process_view> views;
  if (auto ok = json::read(x, views, "result"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return views;
}

std::string json_line(const rapidjson::Value& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  x.Accept(out);
  std::string text{buffer.GetString(), buffer.GetSize()};
  text += '\n';
  return text;
}

timestamp time_now() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

bool is_glob(std::string_view name) {
  return name.find_first_of("*?[") != std::string_view::npos;
}

} // namespace pm::ctl
