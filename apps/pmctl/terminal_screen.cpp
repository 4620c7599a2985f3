#include "apps/pmctl/terminal_screen.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace pm::ctl {

namespace {

constexpr int watched_signals[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                   SIGTSTP, SIGCONT, SIGWINCH};

// The alternate screen, without a cursor and without wrapping; and back.
constexpr std::string_view screen_begins =
  "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view screen_ends = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

bool write_terminal(std::string_view text) {
  while (!text.empty()) {
    auto n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n > 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR)
      return false;
  }
  return true;
}

} // namespace

terminal_screen::terminal_screen() {
  if (::tcgetattr(STDIN_FILENO, &mode_) != 0) {
    trouble_ = fmt::format("the terminal: {}", std::strerror(errno));
    return;
  }
  sigset_t mine;
  sigemptyset(&mine);
  for (auto number : watched_signals)
    sigaddset(&mine, number);
  ::sigprocmask(SIG_BLOCK, &mine, &before_);
  signals_ = ::signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) {
    trouble_ = fmt::format("signalfd: {}", std::strerror(errno));
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    return;
  }
  enter();
}

terminal_screen::~terminal_screen() {
  if (signals_ < 0)
    return;
  leave();
  ::close(signals_);
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void terminal_screen::enter() {
  auto raw = mode_;
  raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON | ISTRIP);
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_cc[VMIN] = 0; // what poll has told may have been dropped since
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  is_taken_ = true;
  write_terminal(screen_begins);
  measure();
}

void terminal_screen::leave() {
  if (!is_taken_)
    return;
  is_taken_ = false;
  write_terminal(screen_ends);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode_);
}

int terminal_screen::next_signal() {
  signalfd_siginfo what;
  auto size = ::read(signals_, &what, sizeof(what));
  return size == static_cast<ssize_t>(sizeof(what))
           ? static_cast<int>(what.ssi_signo)
           : 0;
}

bool terminal_screen::draw(const std::vector<std::string>& lines) {
  std::string frame = "\x1b[H";
  for (size_t i = 0; i < lines.size() && i < height_; ++i) {
    if (i > 0)
      frame += "\r\n";
    frame += lines[i];
    frame += "\x1b[K";
  }
  frame += "\x1b[J";
  return write_terminal(frame);
}

void terminal_screen::suspend() {
  leave();
  ::kill(::getpid(), SIGSTOP);
  enter(); // somebody has continued it
}

void terminal_screen::resume() {
  enter();
}

void terminal_screen::measure() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
    return;
  width_ = size.ws_col > 0 ? size.ws_col : 80;
  height_ = size.ws_row > 0 ? size.ws_row : 24;
}

} // namespace pm::ctl
