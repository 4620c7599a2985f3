#include <algorithm>
#include <deque>
#include <regex.h>

#include <pm/log_reader.hpp>
#include <pm/prober.hpp>

#include "runtime/probes/socket_probe.hpp"

namespace pm {

namespace {

// Of a line, what is matched; and of a log, what one question looks at.
constexpr size_t line_max = 4096;
constexpr size_t lines_max = 50'000;

// A POSIX extended regular expression.
class line_pattern {
public:
  explicit line_pattern(const std::string& text)
    : is_good_(::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB)
               == 0) {}

  ~line_pattern() {
    if (is_good_)
      ::regfree(&compiled_);
  }

  line_pattern(const line_pattern&) = delete;
  line_pattern& operator=(const line_pattern&) = delete;

  bool matches(const std::string& line) const {
    return is_good_ && ::regexec(&compiled_, line.c_str(), 0, nullptr, 0) == 0;
  }

private:
  regex_t compiled_{};
  bool is_good_;
};

// Looks through what a run has written since the last question.
probe_answer look_for_line(const probe_question& x) {
  probe_answer answer;
  answer.offset = x.offset;
  answer.text = "no such line yet";
  log_query query;
  query.since_offset = x.offset;
  auto cursor = log_cursor::open(x.log_file, query);
  if (!cursor) {
    answer.text = cursor.error().text;
    return answer;
  }
  line_pattern pattern{x.what.pattern};
  for (size_t count = 0; count < lines_max;) {
    auto lines = cursor->read_new();
    if (!lines || lines->empty())
      break;
    for (auto& line : *lines) {
      ++count;
      answer.offset = line.offset + line.text.size() + 1;
      if (line.run_id != x.run_id)
        continue;
      line.text.resize(std::min(line.text.size(), line_max));
      if (!pattern.matches(line.text))
        continue;
      answer.good = true;
      answer.text = "line: " + line.text.substr(0, 200);
      return answer;
    }
  }
  return answer;
}

class loop_prober : public prober {
public:
  explicit loop_prober(event_loop& loop) : loop_(loop) {}

  ~loop_prober() override { *is_alive_ = false; }

  void ask(probe_question what,
           std::function<void(probe_answer)> done) override {
    loop_.post([this, alive = is_alive_, what = std::move(what),
                done = std::move(done)]() mutable {
      if (!*alive)
        return;
      waiting_.push_back({std::move(what), std::move(done)});
      begin_some();
    });
  }

private:
  struct waiting {
    probe_question what;
    std::function<void(probe_answer)> done;
  };

  void begin_some() {
    while (under_way_ < probes_at_once_max && !waiting_.empty()) {
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      ++under_way_;
      begin(std::move(next));
    }
  }

  void begin(waiting x) {
    auto done = [this, alive = is_alive_,
                 tell = std::move(x.done)](probe_answer answer) {
      if (!*alive)
        return;
      --under_way_;
      tell(std::move(answer));
      begin_some();
    };
    if (x.what.what.kind != probe_kind::log_line)
      return std::make_shared<socket_probe>(loop_, std::move(x.what.what),
                                            std::move(done))
        ->begin();
    auto answer = std::make_shared<probe_answer>();
    loop_.work(
      [answer, what = std::move(x.what)] { *answer = look_for_line(what); },
      [answer, done = std::move(done)] { done(std::move(*answer)); });
  }

  event_loop& loop_;
  std::deque<waiting> waiting_;
  size_t under_way_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

} // namespace

std::unique_ptr<prober> make_loop_prober(event_loop& loop) {
  return std::make_unique<loop_prober>(loop);
}

} // namespace pm
