#pragma once

#include <deque>

#include <pm/prober.hpp>

namespace pm::test {

// A prober that asks nobody: the test gives the answers. Commands are begun at
// once, and answer themselves.
class fake_prober : public prober {
public:
  struct question {
    probe_question what;
    std::function<void(probe_answer)> done;
  };

  cancel_probe ask(probe_question what,
                   std::function<void(probe_answer)> done) override {
    if (what.begin)
      return what.begin(std::move(done));
    asked.push_back({std::move(what), std::move(done)});
    return [] {}; // the test answers it, or not
  }

  // Answers the oldest question.
  void answer(bool good, std::string text = "so it is") {
    auto next = std::move(asked.front());
    asked.pop_front();
    next.done({good, std::move(text), 0, {}});
  }

  std::deque<question> asked;
};

} // namespace pm::test
