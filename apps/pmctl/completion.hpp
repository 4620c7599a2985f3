#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace pm::ctl {

// An option as a shell's completion needs it.
struct completed_option {
  std::vector<std::string> names; // "-s", "--signal"
  std::string about;
  bool takes_value = false;
  std::vector<std::string> values; // those that can be told beforehand
  bool takes_path = false;
};

struct completed_verb {
  std::vector<std::string> names; // the name, then its aliases
  std::string about;
  std::vector<completed_option> options;
  bool takes_handles = false;
  std::vector<std::string> values; // of its argument
};

struct completed_tree {
  std::vector<completed_option> options; // the global ones
  std::vector<completed_verb> verbs;
};

completed_tree describe_tree(const CLI::App& tree);

std::string bash_completion(const completed_tree& tree);
std::string zsh_completion(const completed_tree& tree);
std::string fish_completion(const completed_tree& tree);

// The script for `shell`: bash, zsh or fish.
std::string completion_script(const CLI::App& tree, const std::string& shell);

} // namespace pm::ctl
