#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/pmctl/completion.hpp"

namespace pm::ctl {

namespace {

using fmt::join;

std::vector<std::string> option_names(const std::vector<completed_option>& xs) {
  std::vector<std::string> names;
  for (auto& x : xs)
    names.insert(names.end(), x.names.begin(), x.names.end());
  return names;
}

// Options of all verbs whose value is to be passed over when the verb is
// looked for.
std::vector<std::string> names_with_value(const completed_tree& tree) {
  std::vector<std::string> names;
  std::set<std::string> without;
  auto add = [&](const std::vector<completed_option>& options) {
    for (auto& x : options)
      for (auto& name : x.names)
        if (x.takes_value && name != "--state-dir" && name != "--socket"
            && without.insert(name).second)
          names.push_back(name);
  };
  add(tree.options);
  return names;
}

// The lines of a `case` that answer the value of an option, by "verb:option".
std::string value_cases(const completed_tree& tree, std::string_view words,
                        std::string_view paths) {
  std::string out;
  auto add = [&](const std::string& verbs, const completed_option& x) {
    if (!x.takes_value)
      return;
    std::string places;
    for (auto& name : x.names)
      places += (places.empty() ? "" : "|") + verbs + ":" + name;
    auto answer = x.takes_path ? std::string{paths}
                  : x.values.empty()
                    ? std::string{":"}
                    : fmt::format(fmt::runtime(words), join(x.values, " "));
    out += fmt::format("    {}) {}; return ;;\n", places, answer);
  };
  for (auto& x : tree.options)
    add("*", x);
  for (auto& verb : tree.verbs)
    for (auto& name : verb.names)
      for (auto& x : verb.options)
        add(name, x);
  return out;
}

// A text in single quotes.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (auto c : text)
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  return out + "'";
}

std::vector<std::string> verb_names(const completed_tree& tree) {
  std::vector<std::string> names;
  for (auto& verb : tree.verbs)
    names.push_back(verb.names[0]);
  return names;
}

} // namespace

std::string bash_completion(const completed_tree& tree) {
  std::string options;
  std::string arguments;
  for (auto& verb : tree.verbs) {
    options += fmt::format("    {}) words+=' {}' ;;\n", join(verb.names, "|"),
                           join(option_names(verb.options), " "));
    if (verb.takes_handles)
      arguments += fmt::format("    {}) words=$(pmctl \"${{node[@]}}\" list -q "
                               "2>/dev/null) ;;\n",
                               join(verb.names, "|"));
    else if (!verb.values.empty())
      arguments += fmt::format("    {}) words='{}' ;;\n", join(verb.names, "|"),
                               join(verb.values, " "));
  }
  return fmt::format(
    R"(# bash completion of pmctl: source <(pmctl completion bash)
_pmctl() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb='' words='' i
  local -a node=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
    --) return ;;
    --state-dir|--socket) node+=("${{COMP_WORDS[i]}}" "${{COMP_WORDS[++i]}}") ;;
    {}) ((++i)) ;;
    -*) ;;
    *) [[ -n $verb ]] || verb=${{COMP_WORDS[i]}} ;;
    esac
  done
  case $verb:$prev in
{}  esac
  if [[ $cur == -* ]]; then
    words='{}'
    case $verb in
{}    esac
  else
    case $verb in
    '') words='{}' ;;
{}    esac
  fi
  [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o default -F _pmctl pmctl
)",
    join(names_with_value(tree), "|"),
    value_cases(tree, "COMPREPLY=($(compgen -W '{}' -- \"$cur\"))",
                "COMPREPLY=($(compgen -f -- \"$cur\"))"),
    join(option_names(tree.options), " "), options, join(verb_names(tree), " "),
    arguments);
}

std::string zsh_completion(const completed_tree& tree) {
  auto described = [](const std::vector<completed_option>& options) {
    std::string out;
    for (auto& x : options)
      for (auto& name : x.names)
        out += " " + quoted(name + ":" + x.about);
    return out;
  };
  std::string verbs;
  std::string options;
  std::string arguments;
  for (auto& verb : tree.verbs) {
    verbs += " " + quoted(verb.names[0] + ":" + verb.about);
    options += fmt::format("    {}) choices+=({}) ;;\n", join(verb.names, "|"),
                           described(verb.options));
    if (verb.takes_handles)
      arguments += fmt::format("    {}) compadd -- ${{(f)\"$(pmctl $node list "
                               "-q 2>/dev/null)\"}} ;;\n",
                               join(verb.names, "|"));
    else if (!verb.values.empty())
      arguments += fmt::format("    {}) compadd -- {} ;;\n",
                               join(verb.names, "|"), join(verb.values, " "));
  }
  return fmt::format(
    R"(#compdef pmctl
# zsh completion of pmctl: source <(pmctl completion zsh), or put this into a
# directory of $fpath as _pmctl.
_pmctl() {{
  local verb='' i
  local -a node choices
  for ((i = 2; i < CURRENT; i++)); do
    case ${{words[i]}} in
    --) _files; return ;;
    --state-dir|--socket) node+=(${{words[i]}} ${{words[++i]}}) ;;
    {}) ((++i)) ;;
    -*) ;;
    *) [[ -n $verb ]] || verb=${{words[i]}} ;;
    esac
  done
  case $verb:${{words[CURRENT-1]}} in
{}  esac
  if [[ $PREFIX == -* ]]; then
    choices=({})
    case $verb in
{}    esac
    _describe -o option choices
    return
  fi
  case $verb in
  '') choices=({}); _describe verb choices ;;
{}  *) _files ;;
  esac
}}
if [[ ${{funcstack[1]}} == _pmctl ]]; then
  _pmctl "$@"
else
  compdef _pmctl pmctl
fi
)",
    join(names_with_value(tree), "|"),
    value_cases(tree, "compadd -- {}", "_files"), described(tree.options),
    options, verbs, arguments);
}

std::string fish_completion(const completed_tree& tree) {
  std::string out =
    R"(# fish completion of pmctl: pmctl completion fish | source
function __pmctl_names
  set -l node
  set -l words (commandline -opc)
  for i in (seq 2 (count $words))
    if contains -- $words[$i] --state-dir --socket
      set node $words[$i] $words[(math $i + 1)]
    end
  end
  pmctl $node list -q 2>/dev/null
end
complete -c pmctl -f
)";
  auto add = [&](const std::string& condition, const completed_option& x) {
    out += "complete -c pmctl" + condition;
    for (auto& name : x.names)
      out += name.starts_with("--") ? " -l " + name.substr(2)
                                    : " -s " + name.substr(1);
    if (x.takes_path)
      out += " -r -F";
    else if (x.takes_value)
      out += fmt::format(" -x -a {}",
                         quoted(fmt::format("{}", join(x.values, " "))));
    out += fmt::format(" -d {}\n", quoted(x.about));
  };
  for (auto& x : tree.options)
    add("", x);
  for (auto& verb : tree.verbs) {
    out += fmt::format("complete -c pmctl -n __fish_use_subcommand -a {} -d "
                       "{}\n",
                       verb.names[0], quoted(verb.about));
    auto condition = fmt::format(" -n '__fish_seen_subcommand_from {}'",
                                 join(verb.names, " "));
    for (auto& x : verb.options)
      add(condition, x);
    if (verb.takes_handles)
      out +=
        fmt::format("complete -c pmctl{} -a '(__pmctl_names)'\n", condition);
    else if (!verb.values.empty())
      out += fmt::format("complete -c pmctl{} -a '{}'\n", condition,
                         join(verb.values, " "));
    else
      out += fmt::format("complete -c pmctl{} -F\n", condition);
  }
  return out;
}

} // namespace pm::ctl
