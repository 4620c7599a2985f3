#define BOOST_TEST_MODULE prober
#include <boost/test/unit_test.hpp>

#include <deque>
#include <netinet/in.h>
#include <sys/socket.h>

#include <pm/prober.hpp>

#include "runtime/os/unique_fd.hpp"

// The prober that nodes use, on a loop of its own.

using namespace pm;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

struct prober_fixture {
  prober_fixture()
    : loop(std::move(*event_loop::make())), prober(make_loop_prober(*loop)) {}

  ~prober_fixture() {
    client_watches.clear();
    watch = {};
    prober.reset();
  }

  // Turns the loop until it holds, or for too long.
  template <class F>
  bool turn_until(F holds) {
    auto tick = loop->timer([] {});
    for (auto end = steady::now() + 10s; !holds() && steady::now() < end;) {
      tick.arm(steady::now() + 10ms);
      loop->run_once(true);
    }
    return holds();
  }

  void ask(probe_question what) {
    cancels.push_back(prober->ask(std::move(what), [this](probe_answer answer) {
      answers.push_back(std::move(answer));
    }));
  }

  // A command without a process: it ends when the test says so, or is killed.
  struct command {
    std::function<void(probe_answer)> done;
    bool is_killed = false;
  };

  probe_question command_question(milliseconds timeout) {
    probe_question question;
    question.what.kind = probe_kind::exec;
    question.what.timeout = timeout;
    question.begin = [this](auto done) -> cancel_probe {
      commands.push_back({std::move(done), false});
      return [x = &commands.back()] { x->is_killed = true; };
    };
    return question;
  }

  // Listens on a port of the kernel's choice, and gives every client `text`,
  // or no answer at all.
  int serve(std::string text) {
    listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    BOOST_REQUIRE(::bind(listener.get(), plain, size) == 0);
    BOOST_REQUIRE(::listen(listener.get(), 64) == 0);
    ::getsockname(listener.get(), plain, &size);
    watch = std::move(
      *loop->watch(listener.get(), fd_event::readable, [this, text](unsigned) {
        unique_fd client{::accept(listener.get(), nullptr, nullptr)};
        if (!client)
          return;
        auto fd = client.get();
        clients.push_back(std::move(client));
        if (text.empty() || text == "(silence)")
          return;
        client_watches.push_back(std::move(
          *loop->watch(fd, fd_event::readable, [this, fd, text](unsigned) {
            answer_client(fd, text);
          })));
      }));
    return ntohs(address.sin_port);
  }

  void answer_client(int fd, const std::string& text) {
    char request[4096];
    auto count = ::recv(fd, request, sizeof(request), MSG_DONTWAIT);
    if (count <= 0)
      return;
    last_request.assign(request, static_cast<size_t>(count));
    (void)!::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  }

  probe_answer answer_of(probe_kind kind, int port, milliseconds timeout = 5s) {
    probe_question question;
    question.what.kind = kind;
    question.what.port = port;
    question.what.timeout = timeout;
    question.what.headers = headers;
    ask(std::move(question));
    BOOST_REQUIRE(turn_until([&] { return !answers.empty(); }));
    auto result = answers.back();
    answers.clear();
    return result;
  }

  std::unique_ptr<event_loop> loop;
  std::unique_ptr<pm::prober> prober;
  std::deque<command> commands;
  std::vector<cancel_probe> cancels;
  std::vector<probe_answer> answers;
  std::map<std::string, std::string> headers;
  unique_fd listener;
  fd_watch watch;
  std::vector<unique_fd> clients;
  std::deque<fd_watch> client_watches;
  std::string last_request;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(loop_prober, prober_fixture)

BOOST_AUTO_TEST_CASE(so_many_are_asked_at_once_and_the_others_wait) {
  for (size_t i = 0; i < probes_at_once_max + 10; ++i)
    ask(command_question(1h));
  BOOST_TEST(turn_until([&] { return commands.size() == probes_at_once_max; }));
  loop->run_once(false);
  BOOST_TEST(commands.size() == probes_at_once_max);
  commands[3].done({true, "fine", 0, {}});
  BOOST_TEST(
    turn_until([&] { return commands.size() == probes_at_once_max + 1; }));
  BOOST_TEST(answers.size() == 1u);
  BOOST_TEST(answers[0].text == "fine");
}

BOOST_AUTO_TEST_CASE(a_late_command_is_killed_and_answers_when_it_is_gone) {
  ask(command_question(20ms));
  BOOST_REQUIRE(
    turn_until([&] { return !commands.empty() && commands[0].is_killed; }));
  BOOST_TEST(answers.empty());
  commands[0].done({false, "signal 9 (KILL)", 0, {}});
  BOOST_REQUIRE(answers.size() == 1u);
  BOOST_TEST(answers[0].text == "no answer within 20ms");
}

BOOST_AUTO_TEST_CASE(what_is_cancelled_is_killed_or_never_begun) {
  for (size_t i = 0; i < probes_at_once_max + 2; ++i)
    ask(command_question(1h));
  BOOST_REQUIRE(
    turn_until([&] { return commands.size() == probes_at_once_max; }));
  cancels[0]();
  cancels[probes_at_once_max]();
  BOOST_TEST(turn_until([&] { return commands[0].is_killed; }));
  BOOST_TEST(turn_until([&] { return answers.size() == 1u; }));
  commands[0].done({false, "", 0, {}});
  BOOST_TEST(answers.size() == 2u);
  BOOST_TEST(commands.size() == probes_at_once_max + 1);
  cancels[0](); // again: nothing
  loop->run_once(false);
  BOOST_TEST(answers.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_connection_is_answered_at_once) {
  probe_question question;
  question.what.kind = probe_kind::http_get;
  question.what.port = serve("(silence)");
  question.what.timeout = 1h;
  ask(std::move(question));
  BOOST_REQUIRE(turn_until([&] { return !clients.empty(); }));
  cancels[0]();
  BOOST_TEST(turn_until([&] { return answers.size() == 1u; }));
  BOOST_TEST(!answers[0].good);
}

BOOST_AUTO_TEST_CASE(a_port_that_takes_connections_is_good) {
  auto port = serve("");
  BOOST_TEST(answer_of(probe_kind::tcp, port).good);
  watch = {};
  listener.reset();
  auto refused = answer_of(probe_kind::tcp, port);
  BOOST_TEST(!refused.good);
  BOOST_TEST(refused.text == "Connection refused");
}

BOOST_AUTO_TEST_CASE(an_http_status_decides) {
  auto told = [&](const std::string& text, milliseconds timeout = 5s) {
    auto port = serve(text);
    auto answer = answer_of(probe_kind::http_get, port, timeout);
    client_watches.clear();
    clients.clear();
    return fmt::format("{} {}", answer.good, answer.text);
  };
  BOOST_TEST(told("HTTP/1.1 200 OK\r\n\r\n") == "true status 200");
  BOOST_TEST(told("HTTP/1.0 302 Found\r\n\r\n") == "true status 302");
  BOOST_TEST(told("HTTP/1.1 404 Not Found\r\n\r\n") == "false status 404");
  BOOST_TEST(told("HTTP/1.1 503 x\r\n\r\n") == "false status 503");
  BOOST_TEST(told("SSH-2.0-x\r\n") == "false its answer is not HTTP");
  BOOST_TEST(told(std::string(10'000, 'x')) == "false its answer is not HTTP");
  BOOST_TEST(told("(silence)", 50ms) == "false no answer within 50ms");
}

BOOST_AUTO_TEST_CASE(a_given_host_header_is_the_only_one) {
  headers = {{"host", "example.test"}};
  answer_of(probe_kind::http_get, serve("HTTP/1.1 200 OK\r\n\r\n"));
  BOOST_TEST(last_request.find("host: example.test\r\n") != std::string::npos);
  BOOST_TEST(last_request.find("Host: ") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
