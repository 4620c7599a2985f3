#include "test/unit/keeper/keeper_client.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace pm::test {

namespace {

using clock = std::chrono::steady_clock;

std::pair<unique_fd, unique_fd> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

void wait_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  auto ms = std::chrono::milliseconds{patience}.count();
  if (::poll(&entry, 1, static_cast<int>(ms)) != 1)
    throw std::runtime_error("nothing to read in time");
}

} // namespace

bool eventually(const std::function<bool()>& condition) {
  for (auto end = clock::now() + patience; clock::now() < end;) {
    if (condition())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return condition();
}

state_dir::state_dir()
  : path_(std::filesystem::temp_directory_path() / "pm-keeper-test-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr)
    throw std::runtime_error("mkdtemp");
}

state_dir::~state_dir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string bin(const std::string& name) {
  return PM_BIN_DIR "/" + name;
}

std::string child(const std::string& name) {
  return PM_BIN_DIR "/children/" + name;
}

std::string read_file(const std::string& path) {
  std::ifstream in{path};
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string read_to_end(int fd) {
  std::string result;
  std::array<char, 65536> buffer;
  for (;;) {
    wait_readable(fd);
    auto size = ::read(fd, buffer.data(), buffer.size());
    if (size <= 0)
      return result;
    result.append(buffer.data(), static_cast<size_t>(size));
  }
}

std::string read_line(int fd) {
  std::string result;
  while (!result.ends_with('\n')) {
    wait_readable(fd);
    char byte = 0;
    if (::read(fd, &byte, 1) != 1)
      return result;
    result += byte;
  }
  return result;
}

keeper::spawn_order order_of(std::vector<std::string> argv) {
  keeper::spawn_order result;
  result.run_id = run_id::make(
    std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
  result.argv = std::move(argv);
  return result;
}

keeper_client::keeper_client(unique_fd socket) : socket_(std::move(socket)) {
  send(keeper::encode_hello());
  take_table();
}

void keeper_client::take_table() {
  for (;;) {
    auto got = receive();
    if (!got)
      throw std::runtime_error("the keeper hung up");
    if (auto x = std::get_if<keeper::welcome>(&got->message)) {
      welcome = *x;
    } else if (auto row = std::get_if<keeper::run_report>(&got->message)) {
      auto& ends = pipes[row->run_id];
      auto live = row->outcome == keeper::outcome::live;
      size_t next = 0;
      if (live)
        pidfds[row->run_id] = std::move(got->fds.at(next++));
      if (row->outcome != keeper::outcome::failed) {
        ends.stdout_r = std::move(got->fds.at(next++));
        ends.stderr_r = std::move(got->fds.at(next++));
      }
      if (row->stdin_pipe)
        ends.stdin_w = std::move(got->fds.at(next++));
      held.push_back(*row);
    } else if (std::holds_alternative<keeper::table_pause>(got->message)) {
      send(keeper::encode_table_more());
    } else if (std::holds_alternative<keeper::table_end>(got->message)) {
      return;
    } else {
      throw std::runtime_error(std::get<error>(got->message).text);
    }
  }
}

void keeper_client::send(const std::vector<std::byte>& bytes,
                         const std::vector<int>& fds) {
  for (;;) {
    auto error = keeper::send_frame(socket_.get(), bytes, fds);
    if (error == 0)
      return;
    if (error != EAGAIN)
      throw std::system_error(error, std::generic_category(), "send_frame");
    // The keeper reads no more until its own answers have been taken.
    pollfd entry{socket_.get(), POLLIN | POLLOUT, 0};
    ::poll(&entry, 1, 1000);
    if ((entry.revents & POLLIN) != 0)
      reports.push_back(report());
  }
}

run_id keeper_client::spawn(keeper::spawn_order order) {
  auto [stdout_r, stdout_w] = make_pipe();
  auto [stderr_r, stderr_w] = make_pipe();
  auto frame = keeper::encode_spawn(order);
  if (!frame)
    throw std::runtime_error(frame.error().text);
  std::vector<int> fds;
  if (frame->body)
    fds.push_back(frame->body.get());
  for (auto fd : {&stdout_w, &stderr_w, &stdout_r, &stderr_r})
    fds.push_back(fd->get());
  auto& ends = pipes[order.run_id];
  unique_fd stdin_r;
  if (order.stdin_pipe) {
    auto [r, w] = make_pipe();
    stdin_r = std::move(r);
    fds.push_back(stdin_r.get());
    fds.push_back(w.get());
    ends.stdin_w = std::move(w);
  }
  send(frame->bytes, fds);
  ends.stdout_r = std::move(stdout_r);
  ends.stderr_r = std::move(stderr_r);
  return order.run_id;
}

std::optional<incoming> keeper_client::receive() {
  static std::vector<std::byte> buffer(keeper::frame_max);
  keeper::frame_fds fds;
  wait_readable(socket_.get());
  auto got = keeper::receive_frame(socket_.get(), buffer, fds);
  if (got.error != 0 || got.size == 0)
    return std::nullopt;
  auto message = keeper::decode_message({buffer.data(), got.size});
  if (!message)
    throw std::runtime_error(message.error().text);
  incoming result{std::move(*message), {}};
  for (size_t i = 0; i < fds.count; ++i)
    result.fds.push_back(fds.take(i));
  return result;
}

keeper::run_report keeper_client::report() {
  auto got = receive();
  if (!got)
    throw std::runtime_error("the keeper hung up");
  if (auto refusal = std::get_if<error>(&got->message))
    throw std::runtime_error(refusal->text);
  auto result = std::get<keeper::run_report>(got->message);
  if (result.occasion == keeper::frame_type::spawned && !got->fds.empty())
    pidfds[result.run_id] = std::move(got->fds.front());
  return result;
}

keeper::run_report keeper_client::wait_for(const run_id& run,
                                           keeper::frame_type occasion) {
  auto fits = [&](const keeper::run_report& x) {
    return x.run_id == run && x.occasion == occasion;
  };
  for (auto i = reports.begin(); i != reports.end(); ++i)
    if (fits(*i)) {
      auto result = *i;
      reports.erase(i);
      return result;
    }
  for (;;) {
    auto next = report();
    if (fits(next))
      return next;
    reports.push_back(next);
  }
}

std::string keeper_client::output_of(keeper::spawn_order order) {
  auto run = spawn(std::move(order));
  auto result = read_to_end(pipes[run].stdout_r.get());
  wait_for(run, keeper::frame_type::exited);
  acknowledge({run});
  return result;
}

void keeper_client::acknowledge(const std::vector<run_id>& runs) {
  for (size_t i = 0; i < runs.size(); i += keeper::run_list_max) {
    auto count = std::min(keeper::run_list_max, runs.size() - i);
    send(keeper::encode_acknowledge(std::span{runs}.subspan(i, count)));
  }
  for (auto& run : runs) {
    pipes.erase(run);
    pidfds.erase(run);
  }
}

void keeper_client::goodbye() {
  send(keeper::encode_goodbye());
  while (receive()) {
  }
}

keeper_fixture::keeper_fixture() {
  auto socket = keeper::start_keeper({dir.path(), bin("pm-keeper"), patience});
  if (!socket)
    throw std::runtime_error(socket.error().text);
  auto peer = keeper::peer_of(socket->get());
  if (!peer)
    throw std::runtime_error(peer.error().text);
  pid = peer->pid;
  pidfd = std::move(peer->pidfd);
  first_ = std::move(*socket);
}

keeper_fixture::~keeper_fixture() {
  first_.reset();
  // Whatever the test has left alive under this keeper, which spawns no more.
  (void)send_signal(pidfd.get(), SIGSTOP);
  eventually([&] {
    auto stat = read_process_stat(pid);
    return !stat || stat->state == 'T' || has_ended(pidfd.get());
  });
  for (auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    auto number = std::atoi(entry.path().filename().c_str());
    auto stat = number > 0 ? read_process_stat(number)
                           : expected<process_stat>{process_stat{}};
    if (stat && stat->parent_pid == pid && !has_ended(pidfd.get()))
      ::kill(number, SIGKILL);
  }
  (void)send_signal(pidfd.get(), SIGKILL);
  eventually([&] { return has_ended(pidfd.get()); });
}

keeper_client keeper_fixture::connect() {
  if (first_)
    return keeper_client{std::move(first_)};
  auto socket = keeper::connect_keeper(dir.path());
  // Others may be waiting in line.
  eventually([&] {
    if (!socket && socket.error().code == ec::busy)
      socket = keeper::connect_keeper(dir.path());
    return socket || socket.error().code != ec::busy;
  });
  if (!socket)
    throw std::runtime_error(socket.error().text);
  return keeper_client{std::move(*socket)};
}

size_t descriptor_count(int pid) {
  std::filesystem::directory_iterator all{"/proc/" + std::to_string(pid)
                                          + "/fd"};
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

child_counts children_of(int pid) {
  child_counts result;
  std::istringstream in{
    read_file(fmt::format("/proc/{}/task/{}/children", pid, pid))};
  for (int child_pid = 0; in >> child_pid;) {
    ++result.all;
    auto stat = read_process_stat(child_pid);
    if (stat && stat->state == 'Z')
      ++result.zombies;
  }
  return result;
}

} // namespace pm::test
