#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <rapidjson/document.h>

#include <pm/record.hpp>

namespace pm::test {

// A node that says what a test tells it to say: speaks the control protocol on
// `dir()/control.sock`, one connection at a time, in a thread of its own.
class fake_node {
public:
  // Answers one request or notification; called on the node's thread.
  using answer =
    std::function<void(fake_node&, const rapidjson::Document& message)>;

  // `depth` more directories make the socket's path long.
  explicit fake_node(int depth = 0);
  ~fake_node();

  fake_node(const fake_node&) = delete;
  fake_node& operator=(const fake_node&) = delete;

  // Says what is done for a method. Call it before the client comes.
  void on(const std::string& method, answer with);

  // Answers a method with this result, always.
  void on_reply(const std::string& method, std::string result);

  // Answers a method with this failure, always.
  void on_fail(const std::string& method, ec code, std::string text);

  // For answers: the reply to `request`, its failure, and a notification
  // (`params` are members after the id, each with a comma before).
  void reply(const rapidjson::Document& request, std::string_view result);
  void fail(const rapidjson::Document& request, ec code, std::string_view text);
  void notify(const rapidjson::Document& request, std::string_view method,
              std::string_view params);
  void hang_up();

  // The lines that came for `method`, whole.
  std::vector<std::string> seen(const std::string& method);

  const std::string& dir() const noexcept { return dir_; }

private:
  void serve();
  void serve_connection();
  void take(const std::string& line);
  void send(const std::string& line);

  std::string root_;
  std::string dir_;
  int listener_ = -1;
  int connection_ = -1;
  int stop_ = -1;
  std::mutex mutex_; // guards what follows
  std::map<std::string, answer> answers_;
  std::map<std::string, std::vector<std::string>> seen_;
  std::thread thread_;
};

// A view for a test: `status`, and what `change` does to it.
process_view make_view(const std::string& handle_id, status x,
                       const std::function<void(process_view&)>& change = {});

} // namespace pm::test
