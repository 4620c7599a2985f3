#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "apps/pmctl/session.hpp"

namespace pm::ctl {

// The tree of verbs and options, out of which come parsing, help and the
// shells' completion.
class command_line {
public:
  // Does a verb and returns the exit code.
  using action = std::function<int(session&)>;

  command_line();

  // Begins a group of verbs in the help.
  void begin(const std::string& group) { group_ = group; }

  // Adds a verb. `example` is what stands in its help.
  CLI::App& add(const std::string& name, const std::string& about,
                const std::string& example, action run);

  // Adds the names that most verbs take.
  static void add_names(CLI::App& verb, std::vector<std::string>& names,
                        bool required);

  // Adds the command that ends the line.
  static void add_command(CLI::App& verb, std::vector<std::string>& words);

  // Parses, does what is asked, and returns the exit code.
  int run(int argc, char** argv);

  const CLI::App& tree() const noexcept { return app_; }

private:
  struct verb {
    CLI::App* app = nullptr;
    action run;
  };

  int parse(std::vector<std::string> words);
  int explain(const CLI::ParseError& why);

  CLI::App app_;
  session session_;
  std::vector<verb> verbs_;
  std::string group_;
  std::string timeout_;
};

// Gives a word that was hidden from CLI11, "[a,b]", as it was typed; for
// options whose value may be one.
std::string show_bracket(std::string word);

// Reads a duration; a bare number is seconds. Errors: invalid_argument.
expected<milliseconds> parse_timeout(const std::string& text);

// Returns the word of `known` that `word` is nearest to; empty if none is
// near.
std::string nearest(const std::string& word,
                    const std::vector<std::string>& known);

void add_look_verbs(command_line& to);       // list, status, show
void add_top_verb(command_line& to);         // top
void add_group_look_verbs(command_line& to); // graph, simulate
void add_group_act_verbs(command_line& to);  // scale, reset
void add_config_verbs(command_line& to);     // diff, apply
void add_log_verbs(command_line& to);        // logs
void add_event_verbs(command_line& to);      // events
void add_past_verbs(command_line& to);       // history, why, recover
void add_act_verbs(command_line& to);        // stop, restart, signal, wait, rm
void add_start_verb(command_line& to);       // start
void add_run_verb(command_line& to);         // run
void add_node_verbs(command_line& to);       // check, save, shutdown, ...
void add_orphans_verb(command_line& to);     // orphans
void add_upgrade_verb(command_line& to);     // upgrade
void add_migrate_verb(command_line& to);     // migrate
void add_completion_verb(command_line& to);  // completion

} // namespace pm::ctl
