#include "apps/pmctl/completion.hpp"

#include <CLI/App.hpp>

#include <pm/status.hpp>

namespace pm::ctl {

namespace {

template <class Enum>
std::vector<std::string> names_of() {
  auto& names = enum_names<Enum>::names;
  return {names.begin(), names.end()};
}

// What can stand for a placeholder in the help.
std::vector<std::string> values_of(const std::string& type) {
  if (type == "KIND")
    return names_of<kind>();
  if (type == "STATUS")
    return names_of<status>();
  if (type == "MODE")
    return names_of<restart_mode>();
  if (type == "STATE") {
    auto values = names_of<status>();
    values.insert(values.end(), {"started", "ready", "ended"});
    return values;
  }
  if (type == "SIG")
    return {"TERM", "HUP",  "INT",  "QUIT", "KILL",
            "USR1", "USR2", "STOP", "CONT"};
  if (type == "SHELL")
    return {"bash", "zsh", "fish"};
  if (type == "FORMAT")
    return {"wide"};
  return {};
}

completed_option describe_option(const CLI::Option& x) {
  completed_option out;
  for (auto& name : x.get_snames())
    out.names.push_back("-" + name);
  for (auto& name : x.get_lnames())
    out.names.push_back("--" + name);
  out.about = x.get_description();
  out.takes_value = x.get_items_expected_max() > 0;
  auto type = x.get_type_name();
  out.values = values_of(type.substr(0, type.find(':')));
  out.takes_path = type == "FILE" || type == "DIR" || type == "PATH";
  return out;
}

std::vector<completed_option> describe_options(const CLI::App& app) {
  std::vector<completed_option> options;
  for (auto x : app.get_options())
    if (x->nonpositional())
      options.push_back(describe_option(*x));
  return options;
}

} // namespace

completed_tree describe_tree(const CLI::App& tree) {
  completed_tree out;
  out.options = describe_options(tree);
  for (auto app : tree.get_subcommands([](const CLI::App*) { return true; })) {
    completed_verb verb;
    verb.names = {app->get_name()};
    for (auto& alias : app->get_aliases())
      verb.names.push_back(alias);
    verb.about = app->get_description();
    verb.options = describe_options(*app);
    for (auto x : app->get_options())
      if (x->get_positional()) {
        verb.takes_handles |= x->get_name(true) == "NAME";
        verb.values = values_of(x->get_name(true));
      }
    out.verbs.push_back(std::move(verb));
  }
  return out;
}

std::string completion_script(const CLI::App& tree, const std::string& shell) {
  auto described = describe_tree(tree);
  return shell == "bash"  ? bash_completion(described)
         : shell == "zsh" ? zsh_completion(described)
                          : fish_completion(described);
}

} // namespace pm::ctl
