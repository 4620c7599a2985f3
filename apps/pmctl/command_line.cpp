#include "apps/pmctl/command_line.hpp"

#include <algorithm>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/terminal_text.hpp"

namespace pm::ctl {

namespace {

// CLI11 takes a word "[a,b]" apart as a list; a leading stand-in hides a shell
// pattern of that form from it.
constexpr char bracket_stand_in = '\x01';

void hide_bracket(std::string& word) {
  if (word.size() > 1 && word.front() == '[' && word.back() == ']')
    word.front() = bracket_stand_in;
}

// Counts letters put in, left out, exchanged, and neighbours turned round.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1,
                                        std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      auto& here = cost[i][j];
      here = std::max(i, j);
      if (i == 0 || j == 0)
        continue;
      auto same = a[i - 1] == b[j - 1];
      here = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                       cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        here = std::min(here, cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

constexpr auto overview = "Talks to pm-node: runs, shows, and steers its "
                          "processes.";

constexpr auto overview_footer =
  "\nNames may be shell patterns ('web*'); a bare name of a replicated "
  "process\nmeans all of its replicas. 'pmctl VERB --help' tells about one "
  "verb.\n\nExit codes: 0 done, 1 failed, 2 usage, 4 not permitted, 5 no "
  "such process,\n6 bad config, 7 no node answers; 'status' as the LSB says; "
  "'run' and 'wait'\nas the child, 128+N for a signal, 124 time limit, 125 "
  "pm's own failure.\n";

} // namespace

std::string nearest(const std::string& word,
                    const std::vector<std::string>& known) {
  std::string best;
  // Nobody mistypes that much, and the cost grows with the length.
  if (word.size() > 32)
    return best;
  auto best_distance = std::max<size_t>(word.size() / 3, 1) + 1;
  for (auto& x : known)
    if (auto distance = edit_distance(word, x); distance < best_distance) {
      best = x;
      best_distance = distance;
    }
  return best;
}

std::string show_bracket(std::string word) {
  if (!word.empty() && word.front() == bracket_stand_in)
    word.front() = '[';
  return word;
}

expected<milliseconds> parse_timeout(const std::string& text) {
  auto is_number =
    !text.empty() && text.find_first_not_of("0123456789.") == text.npos;
  auto x = parse_duration(is_number ? text + "s" : text);
  if (x && x->count() <= 0)
    return fail(ec::invalid_argument, "a time limit is more than 0");
  return x;
}

command_line::command_line() : app_(overview, "pmctl") {
  app_.require_subcommand(1);
  app_.get_formatter()->column_width(28);
  app_.get_formatter()->label("SUBCOMMAND", "VERB");
  app_.get_formatter()->label("Positionals", "Arguments");
  app_.get_formatter()->label("OPTIONS", "options");
  app_.get_formatter()->label("TEXT", "");
  app_.set_help_flag("-h,--help", "Show this and leave");
  app_.set_version_flag("--version", "pmctl " PM_VERSION, "Show the version");
  app_.footer(overview_footer);
  auto& options = session_.options;
  app_
    .add_option("--state-dir", options.state_dir,
                "State directory of the node ($PM_STATE_DIR)")
    ->type_name("DIR");
  app_.add_option("--socket", options.socket, "The node's control socket")
    ->type_name("PATH");
  app_.add_flag("--json", options.json, "Print JSON");
  app_.add_flag("-q,--quiet", options.quiet, "Print less; with list: names");
  app_
    .add_option("--timeout", timeout_,
                "Wait this long for the answer (10s, 500ms; a bare number "
                "is seconds); for run: the command's time limit")
    ->type_name("T");
  app_.add_flag("--no-color", options.no_color,
                "No colours (as with $NO_COLOR)");
  app_.add_flag_callback(
    "--wait", [&options] { options.wait = true; },
    "Answer when it is done (the default)");
  app_.add_flag_callback(
    "--no-wait", [&options] { options.wait = false; },
    "Answer as soon as it is accepted");
  app_
    .add_option("--correlation-id", options.correlation_id,
                "Goes to all that this request causes")
    ->type_name("ID");
}

CLI::App& command_line::add(const std::string& name, const std::string& about,
                            const std::string& example, action run) {
  auto verb = app_.add_subcommand(name, about)->group(group_);
  verb->fallthrough();
  verb->footer("\nExample: " + example
               + "\nGlobal options, such as --json and --state-dir: see "
                 "'pmctl --help'\n");
  verbs_.push_back({verb, std::move(run)});
  return *verb;
}

void command_line::add_names(CLI::App& verb, std::vector<std::string>& names,
                             bool required) {
  verb.add_option("NAME", names, "Handle ids or patterns")
    ->type_name("")
    ->required(required)
    ->transform(show_bracket, "");
}

void command_line::add_command(CLI::App& verb,
                               std::vector<std::string>& words) {
  verb.add_option("COMMAND", words, "The command and its arguments")
    ->type_name("")
    ->transform(show_bracket, "");
}

int command_line::explain(const CLI::ParseError& why) {
  auto chosen = app_.get_subcommands();
  std::string place = "pmctl";
  if (!chosen.empty())
    place += " " + chosen.front()->get_name();
  auto words = app_.remaining();
  auto word = std::find_if(words.begin(), words.end(),
                           [](auto& x) { return !x.empty() && x[0] != '-'; });
  if (chosen.empty() && word != words.end()) {
    std::vector<std::string> known;
    for (auto& x : verbs_) {
      known.push_back(x.app->get_name());
      for (auto& alias : x.app->get_aliases())
        known.push_back(alias);
    }
    auto near = nearest(*word, known);
    session::complain(
      near.empty() ? fmt::format("there is no verb '{}'", *word)
                   : fmt::format("there is no verb '{}'; did you mean '{}'?",
                                 *word, near));
  } else if (chosen.empty() && words.empty()
             && why.get_exit_code()
                  == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    session::complain("say what to do, as in 'pmctl list'");
  } else {
    session::complain(fmt::format("{}: {}", place, why.what()));
  }
  session::complain(fmt::format("see '{} --help'", place));
  return usage;
}

int command_line::parse(std::vector<std::string> words) {
  auto end = std::find(words.begin(), words.end(), "--");
  if (end != words.end()) {
    session_.tail.assign(end + 1, words.end());
    words.erase(end, words.end());
  }
  for (auto& word : words)
    hide_bracket(word);
  // CLI11 takes its words from the back.
  std::reverse(words.begin(), words.end());
  try {
    app_.parse(words);
  } catch (const CLI::CallForVersion& text) {
    session::emit(std::string{text.what()} + "\n");
    return done;
  } catch (const CLI::CallForHelp&) {
    session::emit(app_.help());
    return done;
  } catch (const CLI::ParseError& why) {
    return explain(why);
  }
  if (!timeout_.empty()) {
    auto timeout = parse_timeout(timeout_);
    if (!timeout) {
      session::complain("--timeout: " + timeout.error().text);
      return usage;
    }
    session_.options.timeout = *timeout;
  }
  return -1;
}

int command_line::run(int argc, char** argv) {
  std::vector<std::string> words{argv + std::min(argc, 1), argv + argc};
  // "pmctl help VERB" is what people try.
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  if (auto code = parse(std::move(words)); code >= 0)
    return code;
  session_.prepare();
  for (auto& x : verbs_)
    if (x.app->parsed())
      return x.run(session_);
  return usage;
}

} // namespace pm::ctl
