#include "apps/pm_node/control_session.hpp"

#include <pm/caf_error.hpp>

#include <pm/json_fields.hpp>

// Another program takes this node's place, while every process lives on.

namespace pm {

namespace {

constexpr milliseconds check_deadline{30'000};

std::string upgrade_json(const std::string& binary) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  out.StartObject();
  out.Key("binary");
  json::write_text(out, binary);
  out.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
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
  run_request check;
  check.handle_id = make_handle_id();
  check.spec.command = {binary, "--check-state", "--state-dir", on_->state_dir};
  check.timeout = check_deadline;
  self_
    ->request(on_->manager, caf::infinite, run_atom::value, std::move(check),
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
        reply(x, upgrade_json(binary));
        on_->upgrade(binary);
      },
      [this, x, binary](const caf::error& why) {
        reject(x, {ec::spawn_failed,
                   fmt::format("upgrade to '{}': {}; nothing has changed",
                               binary, from_caf(why).text)});
      });
}

} // namespace pm
