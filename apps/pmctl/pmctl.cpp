#include <cstdio>
#include <exception>

#include "apps/pmctl/command_line.hpp"
#include "apps/pmctl/exit_codes.hpp"

int main(int argc, char** argv) {
  // Out of memory is what remains to be thrown.
  try {
    pm::ctl::command_line line;
    line.begin("Look");
    pm::ctl::add_look_verbs(line);
    pm::ctl::add_top_verb(line);
    pm::ctl::add_log_verbs(line);
    pm::ctl::add_event_verbs(line);
    pm::ctl::add_past_verbs(line);
    pm::ctl::add_orphans_verb(line);
    pm::ctl::add_group_look_verbs(line);
    line.begin("Act");
    pm::ctl::add_start_verb(line);
    pm::ctl::add_run_verb(line);
    pm::ctl::add_act_verbs(line);
    pm::ctl::add_group_act_verbs(line);
    line.begin("Node");
    pm::ctl::add_node_verbs(line);
    pm::ctl::add_config_verbs(line);
    pm::ctl::add_upgrade_verb(line);
    pm::ctl::add_migrate_verb(line);
    pm::ctl::add_completion_verb(line);
    return line.run(argc, argv);
  } catch (const std::exception& why) {
    fprintf(stderr, "pmctl: %s\n", why.what());
    return pm::ctl::failed;
  }
}
