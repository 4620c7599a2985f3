#include "unit/pmctl/fake_node.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <pm/json_fields.hpp>

namespace pm::test {

namespace {

int id_of(const rapidjson::Document& x) {
  if (x.HasMember("id"))
    return x["id"].GetInt();
  return x["params"]["id"].GetInt();
}

std::string quoted(std::string_view text) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write_text(out, text);
  return {buffer.GetString(), buffer.GetSize()};
}

} // namespace

fake_node::fake_node(int depth) {
  char path[] = "/tmp/pmctl-test-XXXXXX";
  BOOST_REQUIRE(mkdtemp(path));
  root_ = dir_ = path;
  for (int i = 0; i < depth; ++i)
    dir_ += "/a-directory-with-a-rather-long-name";
  std::filesystem::create_directories(dir_);
  auto directory = open(dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  auto name = fmt::format("/proc/self/fd/{}/control.sock", directory);
  memcpy(address.sun_path, name.c_str(), name.size() + 1);
  BOOST_REQUIRE_EQUAL(
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(directory);
  BOOST_REQUIRE_EQUAL(listen(listener_, 8), 0);
  stop_ = eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread{[this] { serve(); }};
}

fake_node::~fake_node() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(stop_);
  close(listener_);
  std::filesystem::remove_all(root_);
}

void fake_node::on(const std::string& method, answer with) {
  std::lock_guard guard{mutex_};
  answers_[method] = std::move(with);
}

void fake_node::on_reply(const std::string& method, std::string result) {
  on(method, [result](fake_node& node, const rapidjson::Document& request) {
    node.reply(request, result);
  });
}

void fake_node::on_fail(const std::string& method, ec code, std::string text) {
  on(method, [=](fake_node& node, const rapidjson::Document& request) {
    node.fail(request, code, text);
  });
}

void fake_node::send(const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    auto n = ::send(connection_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0)
      return;
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

void fake_node::reply(const rapidjson::Document& request,
                      std::string_view result) {
  send(fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{}}}\n",
                   id_of(request), result));
}

void fake_node::fail(const rapidjson::Document& request, ec code,
                     std::string_view text) {
  send(fmt::format("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":{},"
                   "\"message\":{},\"data\":{{\"code\":\"{}\"}}}}}}\n",
                   id_of(request), -32000 - static_cast<int>(code),
                   quoted(text), to_string(code)));
}

void fake_node::notify(const rapidjson::Document& request,
                       std::string_view method, std::string_view params) {
  send(fmt::format("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\",\"params\":{{"
                   "\"id\":{}{}}}}}\n",
                   method, id_of(request), params));
}

void fake_node::hang_up() {
  shutdown(connection_, SHUT_RDWR);
}

std::vector<std::string> fake_node::seen(const std::string& method) {
  std::lock_guard guard{mutex_};
  return seen_[method];
}

void fake_node::serve() {
  for (;;) {
    pollfd fds[] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
      return;
    if (fds[1].revents)
      return;
    connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    serve_connection();
    close(connection_);
  }
}

void fake_node::serve_connection() {
  std::string input;
  for (;;) {
    pollfd fds[] = {{connection_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR)
      return;
    if (fds[1].revents)
      return;
    char bytes[65536];
    auto n = recv(connection_, bytes, sizeof(bytes), 0);
    if (n <= 0)
      return;
    input.append(bytes, static_cast<size_t>(n));
    for (size_t end; (end = input.find('\n')) != std::string::npos;) {
      take(input.substr(0, end));
      input.erase(0, end + 1);
    }
  }
}

void fake_node::take(const std::string& line) {
  rapidjson::Document message;
  message.Parse(line.data(), line.size());
  if (message.HasParseError())
    return;
  std::string method = message["method"].GetString();
  answer with;
  {
    std::lock_guard guard{mutex_};
    seen_[method].push_back(line);
    if (auto found = answers_.find(method); found != answers_.end())
      with = found->second;
  }
  if (with)
    with(*this, message);
  else if (message.HasMember("id"))
    fail(message, ec::not_supported, "no such method");
}

process_view make_view(const std::string& handle_id, status x,
                       const std::function<void(process_view&)>& change) {
  process_view view;
  view.handle_id = handle_id;
  view.status = x;
  view.command = {"sleep", "60"};
  if (is_alive(x)) {
    view.pid = 4242;
    view.uptime = milliseconds{192'000};
  }
  if (change)
    change(view);
  return view;
}

} // namespace pm::test
