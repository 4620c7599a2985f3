#include "apps/pmctl/top_session.hpp"

#include <algorithm>
#include <csignal>

#include <poll.h>
#include <unistd.h>

#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

// How long a node that is gone is left alone, and how long a byte that begins
// a key waits for the rest.
constexpr milliseconds reconnect_pause{500};
constexpr milliseconds escape_pause{50};

constexpr std::string_view key_words =
  "q quit  / filter  c cpu  m memory  n name  u uptime  space tree  s stop  "
  "r restart  ? help";

constexpr std::string_view help_words[] = {
  "up, down, page, home, end   choose a process",
  "c m n u p R                 sort by cpu, memory, name, uptime, pid,",
  "                            restarts; again: the other way round",
  "/ text enter                show only names, states and commands with text",
  "escape                      show all again",
  "space, right, left          show or hide the processes of a run; t: of all",
  "s, r                        stop, restart the chosen one, after a question",
  "Ctrl-L                      draw all again",
  "Ctrl-Z                      leave for a while",
  "q, Ctrl-C                   quit",
  "",
  "CPU is a share of one core since the look before, of the whole tree;",
  "MEM is resident memory, which counts for each process that shares it.",
};

} // namespace

top_session::top_session(session& here, std::vector<std::string> names,
                         milliseconds every)
  : here_(here), names_(std::move(names)), every_(every) {}

// -- the node -----------------------------------------------------------------

void top_session::connect() {
  auto client = control_client::connect(here_.address());
  if (!client)
    return lost(client.error());
  node_.emplace(std::move(*client));
}

// It is asked again after a pause; what was shown last stays.
void top_session::lost(const error& why) {
  if (acting_ != 0)
    message_ = acting_words_ + ": nobody can say whether it was done";
  node_.reset();
  listing_ = acting_ = 0;
  node_trouble_ = why.text;
  next_ask_ = clock::now() + reconnect_pause;
  is_stale_ = true;
}

void top_session::ask() {
  next_ask_ = clock::now() + every_;
  if (!node_)
    connect();
  if (!node_ || listing_ != 0)
    return; // a slow node is not asked twice
  auto params = here_.params();
  params.set("trees", true);
  if (!names_.empty())
    params.set("names", names_);
  auto id = node_->request("list", params.str());
  if (!id)
    return lost(id.error());
  listing_ = *id;
}

void top_session::act(const std::string& verb, const std::string& name) {
  if (!node_ || acting_ != 0) {
    message_ = fmt::format("{} {}: {}", verb, printable(name),
                           node_ ? "the last one is still under way"
                                 : "the node is not there");
    return;
  }
  auto params = here_.params();
  params.set("names", std::vector<std::string>{name})
    .set("request_id", "pmctl-" + make_correlation_id());
  acting_words_ = fmt::format("{} {}", verb, printable(name));
  message_ = acting_words_ + " ...";
  auto id = node_->request(verb, params.str());
  if (!id)
    return lost(id.error());
  acting_ = *id;
}

void top_session::receive() {
  while (node_) {
    auto message = node_->poll();
    if (!message)
      return lost(message.error());
    if (!*message)
      return;
    take(**message);
  }
}

void top_session::take(const control_message& message) {
  if (message.id == acting_ && acting_ != 0)
    return take_outcome(message);
  if (message.id != listing_ || listing_ == 0)
    return;
  listing_ = 0;
  is_stale_ = true;
  std::vector<top_process> all;
  auto ok = message.is == control_message::what::failure
              ? tl::make_unexpected(message.why)
              : json::read(message.body(), all, "result");
  // Names that match nothing yet may do so later.
  node_trouble_ = ok ? std::string{} : ok.error().text;
  view_.take(std::move(all));
}

void top_session::take_outcome(const control_message& message) {
  acting_ = 0;
  is_stale_ = true;
  next_ask_ = clock::now();
  std::string trouble;
  auto& body = message.body();
  if (message.is == control_message::what::failure)
    trouble = message.why.text;
  else if (body.IsArray() && !body.Empty() && body[0].IsObject()
           && body[0].HasMember("error") && body[0]["error"].IsObject()
           && body[0]["error"].HasMember("message")
           && body[0]["error"]["message"].IsString())
    trouble = body[0]["error"]["message"].GetString();
  message_ = trouble.empty() ? acting_words_ + ": done" : printable(trouble);
}

// -- the person ---------------------------------------------------------------

// False: the terminal has failed.
bool top_session::read_keys() {
  char bytes[256];
  auto n = ::read(STDIN_FILENO, bytes, sizeof(bytes));
  if (n <= 0)
    return n == 0 || errno == EINTR || errno == EAGAIN;
  for (auto& x : keys_.feed({bytes, static_cast<size_t>(n)}))
    press(x);
  return true;
}

void top_session::press(const key& x) {
  is_stale_ = true;
  switch (x.name) {
  case key_name::interrupt:
    ends_ = done;
    return;
  case key_name::suspend:
    return screen_.suspend();
  case key_name::redraw:
    return screen_.measure();
  default:
    break;
  }
  switch (mode_) {
  case mode::filter:
    return press_in_filter(x);
  case mode::question:
    return press_in_question(x);
  case mode::help:
    mode_ = mode::view;
    return;
  case mode::view:
    return press_in_view(x);
  }
}

void top_session::press_in_view(const key& x) {
  message_.clear();
  auto page = static_cast<long>(screen_.height()) - 4;
  constexpr long far = 1'000'000;
  switch (x.name) {
  case key_name::up:
    return view_.move(-1);
  case key_name::down:
    return view_.move(1);
  case key_name::page_up:
    return view_.move(-page);
  case key_name::page_down:
    return view_.move(page);
  case key_name::home:
    return view_.move(-far);
  case key_name::end:
    return view_.move(far);
  case key_name::right:
    return view_.fold(false);
  case key_name::left:
    return view_.fold(true);
  case key_name::enter:
    return view_.toggle_fold();
  case key_name::escape:
    return view_.set_filter({});
  case key_name::text:
    return x.text.size() == 1 ? press_letter(x.text[0]) : void();
  default:
    return;
  }
}

void top_session::press_letter(char x) {
  switch (x) {
  case 'q':
    ends_ = done;
    return;
  case 'c':
    return view_.sort_by(top_order::cpu);
  case 'm':
    return view_.sort_by(top_order::memory);
  case 'n':
    return view_.sort_by(top_order::name);
  case 'u':
    return view_.sort_by(top_order::uptime);
  case 'p':
    return view_.sort_by(top_order::pid);
  case 'R':
    return view_.sort_by(top_order::restarts);
  case ' ':
    return view_.toggle_fold();
  case 't':
    return view_.toggle_all();
  case 's':
    return question("stop");
  case 'r':
    return question("restart");
  case '/':
    mode_ = mode::filter;
    return;
  case '?':
  case 'h':
    mode_ = mode::help;
    return;
  default:
    return;
  }
}

void top_session::press_in_filter(const key& x) {
  auto text = view_.filter();
  if (x.name == key_name::text) {
    view_.set_filter(text + x.text);
  } else if (x.name == key_name::backspace && !text.empty()) {
    auto is_inside = [](char y) { return (y & 0xc0) == 0x80; };
    while (text.size() > 1 && is_inside(text.back()))
      text.pop_back();
    text.pop_back();
    view_.set_filter(text);
  } else if (x.name == key_name::enter) {
    mode_ = mode::view;
  } else if (x.name == key_name::escape) {
    mode_ = mode::view;
    view_.set_filter({});
  }
}

void top_session::question(const std::string& verb) {
  asked_verb_ = verb;
  asked_name_ = view_.selected();
  if (!asked_name_.empty())
    mode_ = mode::question;
}

// It is about the process that was chosen then, wherever the rows have gone.
void top_session::press_in_question(const key& x) {
  mode_ = mode::view;
  if (x.name == key_name::text && (x.text == "y" || x.text == "Y"))
    act(asked_verb_, asked_name_);
  else
    message_ =
      fmt::format("{} {}: not done", asked_verb_, printable(asked_name_));
}

// -- the screen ---------------------------------------------------------------

std::string top_session::bottom_line() const {
  switch (mode_) {
  case mode::filter:
    return "filter: " + printable(view_.filter()) + "_";
  case mode::question:
    return fmt::format("{} {}? y: yes, any other key: no", asked_verb_,
                       printable(asked_name_));
  case mode::help:
    return "any key: back";
  case mode::view:
    break;
  }
  return message_.empty() ? std::string{key_words} : message_;
}

std::vector<std::string> top_session::help_lines() const {
  return {std::begin(help_words), std::end(help_words)};
}

void top_session::draw() {
  is_stale_ = false;
  // What is erased behind a line would take its last character along.
  auto width = screen_.width() - 1;
  auto how = here_.shown();
  how.width = width;
  std::vector<std::string> lines;
  lines.push_back(cut_to_width(
    node_trouble_.empty() ? view_.summary() : printable(node_trouble_), width));
  auto height = screen_.height() - std::min<size_t>(screen_.height(), 2);
  auto body = mode_ == mode::help
                ? help_lines()
                : view_.lines(std::max<size_t>(height, 2), how);
  body.resize(height);
  for (auto& line : body)
    lines.push_back(std::move(line));
  lines.push_back(cut_to_width(bottom_line(), width));
  if (!screen_.draw(lines))
    ends_ = failed;
}

void top_session::take_signals() {
  while (auto number = screen_.next_signal()) {
    is_stale_ = true;
    if (number == SIGWINCH)
      screen_.measure();
    else if (number == SIGTSTP)
      screen_.suspend();
    else if (number == SIGCONT)
      screen_.resume();
    else
      ends_ = 128 + number;
  }
}

// Until something is due.
int top_session::wait_ms() const {
  auto left = std::chrono::ceil<milliseconds>(next_ask_ - clock::now());
  auto wait = std::max(milliseconds{0}, left);
  return static_cast<int>(
    (keys_.is_waiting() ? std::min(wait, escape_pause) : wait).count());
}

int top_session::run() {
  if (!screen_.trouble().empty()) {
    session::complain("top: " + screen_.trouble());
    return failed;
  }
  while (!ends_) {
    if (clock::now() >= next_ask_)
      ask();
    if (is_stale_)
      draw();
    pollfd fds[] = {{STDIN_FILENO, POLLIN, 0},
                    {screen_.signal_fd(), POLLIN, 0},
                    {node_ ? node_->fd() : -1, POLLIN, 0}};
    auto ready = ::poll(fds, std::size(fds), wait_ms());
    if (ready == 0)
      for (auto& x : keys_.settle())
        press(x);
    if (ready <= 0)
      continue;
    if (fds[1].revents != 0)
      take_signals();
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0
        || ((fds[0].revents & POLLIN) != 0 && !read_keys()))
      ends_ = failed;
    if (fds[2].revents != 0)
      receive();
  }
  return *ends_;
}

} // namespace pm::ctl
