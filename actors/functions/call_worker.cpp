#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <pm/call.hpp>
#include <pm/function.hpp>

#include "actors/functions/exception_type.hpp"
#include "runtime/calls/call_frame.hpp"

// The process that a C++ function runs in (call_format.md).

namespace pm {

namespace {

using calls::frame_kind;

// What a call's body says.
struct call_body {
  std::string function;
  std::string library;
  json_text args;
  json_text kwargs;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("function", x.function), field("library", x.library),
                 field("args", x.args), field("kwargs", x.kwargs));
  }
};

// Takes the channel away from descriptor 0: the function must not read it.
int take_channel() {
  auto channel = ::fcntl(0, F_DUPFD_CLOEXEC, 3);
  auto null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, 0);
  ::close(null);
  return channel;
}

// Reads ahead: a call mostly comes whole with one read.
class frame_reader {
public:
  explicit frame_reader(int fd) : fd_(fd) {}

  bool read(char* to, size_t size) {
    while (size > 0) {
      auto ready = std::min(size, end_ - at_);
      std::memcpy(to, buffer_.data() + at_, ready);
      at_ += ready;
      to += ready;
      size -= ready;
      if (size > 0 && !fill())
        return false;
    }
    return true;
  }

private:
  bool fill() {
    ssize_t count;
    do
      count = ::read(fd_, buffer_.data(), buffer_.size());
    while (count < 0 && errno == EINTR);
    end_ = static_cast<size_t>(std::max<ssize_t>(count, 0));
    at_ = 0;
    return count > 0;
  }

  int fd_;
  std::vector<char> buffer_ = std::vector<char>(64u << 10);
  size_t at_ = 0;  // of what has been read
  size_t end_ = 0; // of it
};

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return; // nobody waits for it any more
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

// Turns SIGTERM into a stop request while it lives; the signal is blocked in
// all threads of the function then.
class stop_on_term {
public:
  stop_on_term() {
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, nullptr);
    std::thread{[source = source_, term] {
      for (int number = 0; ::sigwait(&term, &number) == 0;)
        std::stop_source{source}.request_stop();
    }}.detach();
  }

  std::stop_token token() const { return source_.get_token(); }

private:
  std::stop_source source_;
};

class call_worker {
public:
  explicit call_worker(int channel) : channel_(channel) {
    struct stat status {};
    is_file_ = ::fstat(channel, &status) == 0 && S_ISREG(status.st_mode);
  }

  // Serves until there is nothing more; returns the exit code.
  int serve() {
    auto me = ::getpid();
    frame_reader in{channel_};
    for (;;) {
      char head_bytes[calls::frame_head_size];
      if (!in.read(head_bytes, sizeof(head_bytes)))
        return 0;
      auto head = calls::decode_head({head_bytes, sizeof(head_bytes)});
      if (!head)
        return 1;
      std::string body(head->size, '\0');
      if (!in.read(body.data(), body.size()))
        return 0;
      auto [kind, text] = answer(body);
      if (::getpid() != me)
        ::_exit(0); // a fork that came back: the call is its parent's
      ::fflush(nullptr);
      write_all(channel_, calls::encode_frame(kind, head->number, text));
      if (is_file_)
        return kind == frame_kind::result ? 0 : 1;
    }
  }

private:
  using outcome = std::pair<frame_kind, std::string>;

  static outcome failed(std::string type, std::string text) {
    constexpr size_t text_max = 64u << 10;
    if (text.size() > text_max)
      text.resize(text_max);
    return {frame_kind::failure, functions::to_text(call_failure{
                                   std::move(type), std::move(text), {}})};
  }

  outcome answer(const std::string& body) {
    try {
      auto result = invoke(body);
      if (result.size() > calls::body_max)
        return failed("std::length_error",
                      fmt::format("the result has {} bytes as JSON, more than "
                                  "{}",
                                  result.size(), calls::body_max));
      return {frame_kind::result, std::move(result)};
    } catch (const std::exception& what) {
      if (is_file_)
        ::fprintf(stderr, "%s: %s\n", type_of_exception().c_str(), what.what());
      return failed(type_of_exception(), what.what());
    } catch (...) {
      constexpr auto text = "an exception that is no std::exception";
      if (is_file_)
        ::fprintf(stderr, "%s: %s\n", type_of_exception().c_str(), text);
      return failed(type_of_exception(), text);
    }
  }

  std::string invoke(const std::string& body) {
    auto call = from_json<call_body>(body);
    if (!call)
      throw std::invalid_argument{"the call: " + call.error().text};
    if (!call->kwargs.text.empty() && call->kwargs.text != "{}")
      throw std::invalid_argument{"a C++ function takes no kwargs"};
    auto& table =
      call->library.empty() ? function_table::global() : loaded(call->library);
    auto* function = table.find(call->function);
    if (function == nullptr)
      throw std::invalid_argument{
        fmt::format("{} has no function '{}'; it has {}",
                    call->library.empty() ? "this program" : call->library,
                    call->function, table.names())};
    if (is_file_ && function->takes_stop)
      return function->call(call->args.text, stop_on_term{}.token());
    return function->call(call->args.text, {});
  }

  function_table& loaded(const std::string& path) {
    auto [found, is_new] = libraries_.try_emplace(path);
    if (!is_new)
      return found->second;
    auto fail_with = [&](const char* why) {
      libraries_.erase(found);
      throw std::invalid_argument{fmt::format("library {}", why)};
    };
    auto* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      fail_with(::dlerror());
    auto entry =
      reinterpret_cast<plugin_entry>(::dlsym(library, plugin_entry_name));
    if (entry == nullptr)
      fail_with(::dlerror());
    entry(found->second);
    return found->second;
  }

  int channel_;
  bool is_file_ = false;
  std::map<std::string, function_table> libraries_;
};

} // namespace

std::optional<int> run_worker() {
  if (std::getenv(functions::worker_variable) == nullptr)
    return std::nullopt;
  ::unsetenv(functions::worker_variable); // not for its own children
  return call_worker{take_channel()}.serve();
}

} // namespace pm
