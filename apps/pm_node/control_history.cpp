#include "apps/pm_node/control_session.hpp"

#include <pm/caf_error.hpp>

#include <pm/json_fields.hpp>

// The verbs about the past: what ended and why, what a restart of the node
// found, what another tool's registry brings in.

namespace pm {

namespace {

constexpr uint64_t count_default = 100;

// How many ended runs `why` looks at.
constexpr uint64_t reasons_count = 20;

std::string runs_json(const std::vector<ended_run>& runs) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write(out, runs);
  return {buffer.GetString(), buffer.GetSize()};
}

// What became of one record that was to be taken in.
struct taken_in {
  std::string handle_id;
  std::string outcome; // added or refused
  std::string text;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("outcome", x.outcome),
                 field("text", x.text));
  }
};

struct migration_outcome {
  std::vector<taken_in> processes;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("processes", x.processes));
  }
};

struct migration_request {
  std::vector<process_record> processes;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("processes", x.processes));
  }
};

} // namespace

PM_INSTANTIATE_JSON(migration_outcome)
PM_INSTANTIATE_JSON(migration_request)

void control_session_state::history(request x, param_reader& params) {
  auto name = params.required_text("name");
  auto count = params.number("count").value_or(count_default);
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, history_atom::value, name, count)
    .then([this, x](
            const std::vector<ended_run>& runs) { reply(x, runs_json(runs)); },
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::why(request x, param_reader& params) {
  auto name = params.required_text("name");
  if (!accept(x, params))
    return;
  self_
    ->request(on_->manager, x.deadline, reasons_atom::value, name,
              reasons_count)
    .then([this, x](const process_reasons& known) { reply(x, to_json(known)); },
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::recover(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, recover_atom::value)
    .then([this, x](const recovery_report& found) { reply(x, to_json(found)); },
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::migrate(request x, param_reader& params) {
  auto text = params.raw_array("processes");
  if (!accept(x, params))
    return;
  auto wanted = from_json<migration_request>(
    fmt::format("{{\"processes\":{}}}", text.value_or("[]")));
  if (!wanted)
    return reject(x, wanted.error());
  auto all = std::make_shared<migration_outcome>();
  auto pending = std::make_shared<size_t>(wanted->processes.size());
  if (*pending == 0)
    return reply(x, to_json(*all));
  all->processes.resize(*pending);
  for (size_t i = 0; i < wanted->processes.size(); ++i) {
    auto& record = wanted->processes[i];
    auto id = record.definition.handle_id;
    auto done = [this, x, all, pending, i, id](taken_in what) {
      what.handle_id = id;
      all->processes[i] = std::move(what);
      if (--*pending == 0)
        reply(x, to_json(*all));
    };
    self_->request(on_->manager, x.deadline, migrate_atom::value, record, x.by)
      .then(
        [done](const change_outcome& outcome) {
          done({{}, "added", std::string{to_string(outcome.process.status)}});
        },
        [done](const caf::error& why) {
          done({{}, "refused", from_caf(why).text});
        });
  }
}

} // namespace pm
