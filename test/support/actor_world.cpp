#include "test/support/actor_world.hpp"

#include <boost/test/unit_test.hpp>

namespace pm::test {

namespace {

using std::chrono::sys_days;

const timestamp first_day{sys_days{std::chrono::year{2026} / 11 / 22}};

} // namespace

process_spec simple_spec(restart_mode mode) {
  process_spec spec;
  spec.command = {"/bin/program"};
  spec.restart = mode;
  return spec;
}

caf::actor_system_config& actor_world::prepare() {
  config.set("scheduler.policy", caf::atom("testing"));
  return config;
}

actor_world::actor_world()
  : system(prepare()),
    scheduler(
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())),
    storage(std::make_shared<faulty_storage>()) {
  host.now = first_day;
}

actor_world::~actor_world() {
  crash();
}

void actor_world::open(manager_start from) {
  open_report report;
  auto opened = registry_store::open(storage, report);
  BOOST_REQUIRE_MESSAGE(opened, opened.error().text);
  store = std::make_shared<registry_store>(std::move(*opened));
  for (auto& [id, record] : store->records())
    from.records.push_back(record);
  from.requests.assign(store->requests().begin(), store->requests().end());
  registry_ =
    system.spawn(registry, store, registry_queues{queue, snapshots, storage},
                 node_mark{false, "boot", "test"});
  caf::anon_send(registry_, mark_atom::value);
  auto on = std::make_shared<supervision>();
  on->host = &host;
  on->probes = &prober;
  on->notify = &notifier;
  on->usage = &meter;
  on->oom = &witness;
  on->registry = registry_;
  on->state_dir = "/state";
  on->working_dir = "/";
  on->boot_id = "boot";
  on->now = [this] { return host.now; };
  on->chance = [] { return 0.5; };
  manager =
    system.spawn(pm::manager, std::shared_ptr<const supervision>{on},
                 std::make_shared<const manager_start>(std::move(from)));
  run();
}

void actor_world::crash() {
  queue->hold = false;
  queue->release();
  snapshots->hold = false;
  snapshots->release();
  if (manager) {
    caf::anon_send_exit(manager, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(registry_, caf::exit_reason::user_shutdown);
  }
  run();
  manager = nullptr;
  registry_ = nullptr;
}

void actor_world::run() {
  scheduler.run();
}

void actor_world::advance(milliseconds by) {
  host.now += by;
  scheduler.advance_time(by);
  run();
}

actor_world::answer<change_outcome>
actor_world::define(const std::string& id, process_spec spec, bool start) {
  if (spec.command.empty())
    spec.command = {"/bin/program"};
  process_definition definition;
  definition.handle_id = id;
  definition.spec = std::move(spec);
  return ask<change_outcome>(define_atom::value, definition, start,
                             request_context{});
}

actor_world::answer<change_outcome> actor_world::start(const std::string& id) {
  return ask<change_outcome>(start_atom::value, id, request_context{});
}

actor_world::answer<change_outcome> actor_world::stop(const std::string& id,
                                                      bool force) {
  return ask<change_outcome>(stop_atom::value, id, force, request_context{});
}

actor_world::answer<change_outcome>
actor_world::restart(const std::string& id) {
  return ask<change_outcome>(restart_atom::value, id, false, request_context{});
}

process_view actor_world::view(const std::string& id) {
  auto answer = ask<process_view>(status_atom::value, id);
  BOOST_REQUIRE(answer->has_value());
  BOOST_REQUIRE_MESSAGE((**answer).has_value(), (**answer).error().text);
  return ***answer;
}

status actor_world::status_of(const std::string& id) {
  return view(id).status;
}

} // namespace pm::test
