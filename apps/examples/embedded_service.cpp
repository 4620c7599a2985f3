// A service with actors of its own that lets pm run its programs: it runs a
// command for its output, and keeps a background process by name.
//
//   embedded_service STATE_DIR

#include <cstdio>
#include <cstdlib>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <pm/node.hpp>

namespace {

void print(const caf::error& why) {
  std::fprintf(stderr, "%s\n", pm::from_caf(why).text.c_str());
}

void use(caf::scoped_actor& self, const pm::manager_actor& manager) {
  pm::run_request what;
  what.spec.command = {"uname", "-s"};
  self
    ->request(manager, caf::infinite, pm::run_atom::value, what,
              pm::output_listener{}, pm::request_context{})
    .receive(
      [](const pm::process_result& result) {
        std::printf("uname says %s", result.stdout_text.c_str());
      },
      print);

  pm::process_definition web;
  web.handle_id = "sleeper";
  web.spec.command = {"sleep", "3600"};
  self
    ->request(manager, caf::infinite, pm::define_atom::value, web, true,
              pm::request_context{})
    .receive(
      [](const pm::change_outcome& outcome) {
        std::printf("sleeper is %s\n",
                    std::string{to_string(outcome.process.status)}.c_str());
      },
      print);

  self
    ->request(manager, caf::infinite, pm::stop_atom::value,
              std::string{"sleeper"}, false, pm::request_context{})
    .receive(
      [](const pm::change_outcome& outcome) {
        std::printf("sleeper is %s\n",
                    std::string{to_string(outcome.process.status)}.c_str());
      },
      print);
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: embedded_service STATE_DIR\n", stderr);
    return 2;
  }
  caf::actor_system_config config;
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  pm::node_options options;
  options.state_dir = argv[1];
  auto node = pm::node::open(system, std::move(options));
  if (!node) {
    std::fprintf(stderr, "%s\n", node.error().text.c_str());
    return EXIT_FAILURE;
  }
  caf::scoped_actor self{system};
  use(self, (*node)->manager());
  (*node)->goodbye();
  return EXIT_SUCCESS;
}
