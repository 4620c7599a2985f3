#include <CLI/App.hpp>

#include "apps/pmctl/asking.hpp"
#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"
#include "apps/pmctl/render_history.hpp"

// history, why, recover.

namespace pm::ctl {

namespace {} // namespace

void add_past_verbs(command_line& to) {
  struct history_options {
    std::string name;
    uint64_t count = 20;
  };
  auto history = std::make_shared<history_options>();
  auto& history_verb = to.add(
    "history", "Show how the last runs of a process ended, and who asked",
    "pmctl history web -n 5", [history](session& here) {
      auto params = here.params();
      params.set("name", history->name).set("count", history->count);
      return ask<std::vector<ended_run>>(
        here, "history", std::move(params), [&](auto& runs) {
          return history_table(runs, time_now(), here.shown());
        });
    });
  history_verb.add_option("NAME", history->name, "The handle id")
    ->type_name("")
    ->required();
  history_verb
    .add_option("-n,--count", history->count, "So many runs at most (20)")
    ->type_name("N");

  auto name = std::make_shared<std::string>();
  auto& why_verb =
    to.add("why", "Tell why a process is as it is: who asked, what was before",
           "pmctl why web", [name](session& here) {
             auto params = here.params();
             params.set("name", *name);
             return ask<process_reasons>(
               here, "why", std::move(params), [&](auto& known) {
                 return reasons_text(known, time_now(), here.shown());
               });
           });
  why_verb.add_option("NAME", *name, "The handle id")
    ->type_name("")
    ->required();

  auto report = std::make_shared<bool>(false);
  auto& recover_verb =
    to.add("recover", "Tell what the node found when it began",
           "pmctl recover --report", [](session& here) {
             return ask<recovery_report>(here, "recover", here.params(),
                                         recovery_text);
           });
  recover_verb
    .add_flag("--report", *report, "What was adopted, ended, lost, damaged")
    ->required();
}

} // namespace pm::ctl
