#include <algorithm>
#include <deque>
#include <regex.h>
#include <utility>

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
  if (x.offset != 0)
    query.since_offset = x.offset;
  else
    query.since = x.since;
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

// A question from when it was asked to its answer.
struct asked_probe {
  probe_question what;
  std::function<void(probe_answer)> done; // empty: it has been answered
  cancel_probe kill;                      // while it can be
  loop_timer timer;                       // exec: its time
  bool is_begun = false;
  bool is_overdue = false;
};

using asked_ptr = std::shared_ptr<asked_probe>;

class loop_prober : public prober {
public:
  explicit loop_prober(event_loop& loop) : loop_(loop) {}

  ~loop_prober() override { *is_alive_ = false; }

  cancel_probe ask(probe_question what,
                   std::function<void(probe_answer)> done) override {
    auto x = std::make_shared<asked_probe>();
    x->what = std::move(what);
    x->done = std::move(done);
    on_loop([this, x] {
      waiting_.push_back(x);
      begin_some();
    });
    return [this, alive = is_alive_, &loop = loop_, x] {
      loop.post([this, alive, x] {
        if (*alive)
          cancel(x);
      });
    };
  }

private:
  template <class F>
  void on_loop(F f) {
    loop_.post([alive = is_alive_, f = std::move(f)] {
      if (*alive)
        f();
    });
  }

  void begin_some() {
    while (under_way_ < probes_at_once_max && !waiting_.empty()) {
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      ++under_way_;
      next->is_begun = true;
      begin(next);
    }
  }

  void begin(const asked_ptr& x) {
    auto done = [this, alive = is_alive_, x](probe_answer answer) {
      if (*alive)
        answered(x, std::move(answer));
    };
    if (x->what.what.kind == probe_kind::exec)
      return begin_command(x, std::move(done));
    if (x->what.what.kind != probe_kind::log_line) {
      auto probe =
        std::make_shared<socket_probe>(loop_, x->what.what, std::move(done));
      x->kill = [probe] { probe->cancel(); };
      return probe->begin();
    }
    auto answer = std::make_shared<probe_answer>();
    loop_.work([answer, x] { *answer = look_for_line(x->what); },
               [answer, done = std::move(done)] { done(std::move(*answer)); });
  }

  // Its end is waited for also when it was killed: two of one process are
  // never there at once.
  void begin_command(const asked_ptr& x,
                     std::function<void(probe_answer)> done) {
    x->timer = loop_.timer_at(
      std::chrono::steady_clock::now() + x->what.what.timeout,
      [late = std::weak_ptr{x}] { // it is the question that owns the timer
        auto asked = late.lock();
        if (!asked)
          return;
        asked->is_overdue = true;
        if (auto kill = asked->kill)
          kill();
      });
    auto kill = x->what.begin(std::move(done));
    if (x->done)
      x->kill = std::move(kill);
  }

  void answered(const asked_ptr& x, probe_answer answer) {
    if (!x->done)
      return;
    x->timer = {};
    x->kill = {};
    if (x->is_overdue && !answer.good)
      answer.text = fmt::format("no answer within {}",
                                format_duration(x->what.what.timeout));
    auto tell = std::exchange(x->done, {});
    --under_way_;
    tell(std::move(answer));
    begin_some();
  }

  void cancel(const asked_ptr& x) {
    if (auto kill = x->kill)
      return kill();
    if (x->is_begun || !x->done)
      return; // it ends by itself, soon
    std::erase(waiting_, x);
    auto tell = std::exchange(x->done, {});
    tell({false, "it was not asked", 0, {}});
  }

  event_loop& loop_;
  std::deque<asked_ptr> waiting_;
  size_t under_way_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

} // namespace

std::unique_ptr<prober> make_loop_prober(event_loop& loop) {
  return std::make_unique<loop_prober>(loop);
}

} // namespace pm
