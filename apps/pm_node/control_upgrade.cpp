#include "apps/pm_node/control_session.hpp"

#include <pm/caf_error.hpp>

#include <pm/json_fields.hpp>

#include "runtime/keeper/protocol.hpp"

// Another program takes this node's place, while every process lives on.

namespace pm {

namespace {

constexpr milliseconds check_deadline{30'000};

std::string upgrade_json(const std::string& binary, const std::string& keeper) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartObject();
  out.Key("binary");
  json::write_text(out, binary);
  out.Key("keeper");
  if (keeper.empty())
    out.Null();
  else
    json::write_text(out, keeper);
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

run_request check_of(std::vector<std::string> command) {
  run_request check;
  check.handle_id = make_handle_id();
  check.spec.command = std::move(command);
  check.timeout = check_deadline;
  return check;
}

} // namespace

// The new program has to read the state before this one lets go.
void control_session_state::upgrade(request x, param_reader& params) {
  auto binary = params.text("binary").value_or(on_->program_path());
  if (!accept(x, params))
    return;
  if (binary.empty() || binary.front() != '/')
    return reject(x, {ec::invalid_argument,
                      fmt::format("upgrade to '{}': the path is to be "
                                  "absolute; nothing has changed",
                                  binary)});
  self_
    ->request(
      on_->manager, caf::infinite, run_atom::value,
      check_of({binary, "--check-state", "--state-dir", on_->state_dir}),
      output_listener{}, x.by)
    .then(
      [this, x, binary](const process_result& result) {
        if (!result.success())
          return reject(
            x, {ec::invalid_argument,
                fmt::format("upgrade to '{}': it cannot take over this state "
                            "({}): {}{}; nothing has changed",
                            binary, describe(result.exit), result.stderr_text,
                            result.stdout_text)});
        check_keeper(x, binary);
      },
      [this, x, binary](const caf::error& why) {
        reject(x, {ec::spawn_failed,
                   fmt::format("upgrade to '{}': {}; nothing has changed",
                               binary, from_caf(why).text)});
      });
}

// So has the keeper beside it, if it is another one than serves.
void control_session_state::check_keeper(const request& x,
                                         const std::string& binary) {
  auto keeper = on_->next_keeper(binary);
  if (keeper.empty()) {
    reply(x, upgrade_json(binary, keeper));
    return on_->upgrade(binary, keeper);
  }
  self_
    ->request(on_->manager, caf::infinite, run_atom::value,
              check_of({keeper, "--takes-over",
                        std::to_string(keeper::handover_format)}),
              output_listener{}, x.by)
    .then(
      [this, x, binary, keeper](const process_result& result) {
        if (!result.success())
          return reject(
            x,
            {ec::invalid_argument,
             fmt::format("upgrade to '{}': it cannot take over from the "
                         "keeper ({}): {}; nothing has changed",
                         keeper, describe(result.exit), result.stderr_text)});
        reply(x, upgrade_json(binary, keeper));
        on_->upgrade(binary, keeper);
      },
      [this, x, keeper](const caf::error& why) {
        reject(x, {ec::spawn_failed,
                   fmt::format("upgrade to '{}': {}; nothing has changed",
                               keeper, from_caf(why).text)});
      });
}

} // namespace pm
