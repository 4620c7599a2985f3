#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "apps/pmctl/session.hpp"
#include "apps/pmctl/terminal_keys.hpp"
#include "apps/pmctl/terminal_screen.hpp"
#include "apps/pmctl/top_view.hpp"

namespace pm::ctl {

// The live view: asks the node again and again, shows, and does what keys say.
// A node that goes away is waited for.
class top_session {
public:
  // Shows those that `names` say, or all; asks every `every`.
  top_session(session& here, std::vector<std::string> names,
              milliseconds every);

  void sort_by(top_order by) { view_.sort_by(by); }

  // Returns the exit code, when the person quits or a signal ends it (128+N).
  int run();

private:
  using clock = std::chrono::steady_clock;

  // What is typed besides the keys that act.
  enum class mode : uint8_t { view, filter, question, help };

  void connect();
  void ask();
  void act(const std::string& verb, const std::string& name);
  void lost(const error& why);
  void receive();
  void take(const control_message& message);
  void take_outcome(const control_message& message);
  void press(const key& x);
  void press_in_view(const key& x);
  void press_letter(char x);
  void press_in_filter(const key& x);
  void press_in_question(const key& x);
  void question(const std::string& verb);
  bool read_keys();
  void take_signals();
  void draw();
  std::string bottom_line() const;
  std::vector<std::string> help_lines() const;
  int wait_ms() const;

  session& here_;
  std::vector<std::string> names_;
  milliseconds every_;
  terminal_screen screen_;
  key_reader keys_;
  top_view view_;
  std::optional<control_client> node_;
  int listing_ = 0; // the request for the list that is under way
  int acting_ = 0;  // the same, for a stop or restart
  std::string acting_words_;
  clock::time_point next_ask_{};
  std::string node_trouble_; // empty: it answers
  std::string message_;      // what came of the last key that acted
  mode mode_ = mode::view;
  std::string asked_verb_; // of the question
  std::string asked_name_;
  std::optional<int> ends_; // with this exit code
  bool is_stale_ = true;    // to be drawn again
};

} // namespace pm::ctl
