#pragma once

#include <deque>

#include <pm/prober.hpp>

namespace pm::test {

// A prober that asks nobody: the test gives the answers.
class fake_prober : public prober {
public:
  struct question {
    probe_question what;
    std::function<void(probe_answer)> done;
  };

  void ask(probe_question what,
           std::function<void(probe_answer)> done) override {
    asked.push_back({std::move(what), std::move(done)});
  }

  // Answers the oldest question.
  void answer(bool good, std::string text = "so it is") {
    auto next = std::move(asked.front());
    asked.pop_front();
    next.done({good, std::move(text), 0});
  }

  std::deque<question> asked;
};

} // namespace pm::test
