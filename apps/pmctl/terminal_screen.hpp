#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <termios.h>

#include <pm/error.hpp>

namespace pm::ctl {

// The whole terminal, while it lives: its alternate screen, keys without echo,
// and the signals that end, stop or resize a program, which come through
// `signal_fd`. The terminal is as it was when this is gone. One at a time.
class terminal_screen {
public:
  // Takes standard input and output, which must be terminals.
  terminal_screen();
  ~terminal_screen();
  terminal_screen(const terminal_screen&) = delete;
  terminal_screen& operator=(const terminal_screen&) = delete;

  // Why it could not be taken; empty: it was.
  const std::string& trouble() const noexcept { return trouble_; }

  // Readable when a signal has come.
  int signal_fd() const noexcept { return signals_; }

  // Takes the next signal; 0: there is none.
  int next_signal();

  // Shows these lines, in place of what was there; they hold no control
  // characters but colours, and are no wider than the terminal. One write, so
  // that nothing flickers. False: the terminal is gone.
  bool draw(const std::vector<std::string>& lines);

  // Gives the terminal back and stops the program, until somebody continues
  // it.
  void suspend();

  // Takes the terminal again: somebody had stopped the program, and a shell
  // has used it meanwhile.
  void resume();

  size_t width() const noexcept { return width_; }
  size_t height() const noexcept { return height_; }

  // Asks the terminal for its size again.
  void measure();

private:
  void enter();
  void leave();

  std::string trouble_;
  int signals_ = -1;
  sigset_t before_{};
  termios mode_{};
  bool is_taken_ = false;
  size_t width_ = 80;
  size_t height_ = 24;
};

} // namespace pm::ctl
