#include <CLI/App.hpp>
#include <CLI/Validators.hpp>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/completion.hpp"
#include "apps/pmctl/exit_codes.hpp"

// completion.

namespace pm::ctl {

void add_completion_verb(command_line& to) {
  auto shell = std::make_shared<std::string>();
  auto& verb =
    to.add("completion", "Print a completion script for a shell",
           "source <(pmctl completion bash)", [shell, &to](session&) {
             session::emit(completion_script(to.tree(), *shell));
             return done;
           });
  verb.add_option("SHELL", *shell, "bash, zsh or fish")
    ->type_name("")
    ->required()
    ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh", "fish"}));
}

} // namespace pm::ctl
