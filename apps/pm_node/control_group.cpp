#include "apps/pm_node/control_session.hpp"

#include <pm/caf_error.hpp>

#include "actors/restart_timetable.hpp"
#include "apps/pm_node/outcome_json.hpp"
#include <pm/json_fields.hpp>

// The verbs for groups: configurations, replicas, dependencies, and what the
// restart policy would do.

namespace pm {

namespace {

template <class T>
std::string json_of(const T& x) {
  rapidjson::StringBuffer buffer;
  json::writer out{buffer};
  json::write(out, x);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string outcomes_json(const std::vector<named_outcome>& outcomes) {
  std::string text;
  for (auto& x : outcomes)
    text += (text.empty() ? "" : ",") + outcome_json(x);
  return "[" + text + "]";
}

} // namespace

// Asks the manager for something that gives outcomes.
template <class... Ts>
void control_session_state::change_group(const request& x, Ts... message) {
  self_->request(on_->manager, x.deadline, message...)
    .then(
      [this, x](const std::vector<named_outcome>& outcomes) {
        reply(x, outcomes_json(outcomes));
      },
      [this, x](const caf::error& why) {
        auto ours = from_caf(why);
        if (ours.code == ec::timeout)
          ours.text = fmt::format("{}: not done within the time given; it goes "
                                  "on",
                                  x.verb);
        reject(x, ours);
      });
}

// Resolves the names, and goes on with their handle ids.
void control_session_state::with_ids(
  const request& x, std::vector<std::string> names,
  std::function<void(const std::vector<std::string>&)> then) {
  self_
    ->request(on_->manager, caf::infinite, resolve_atom::value,
              std::move(names))
    .then(
      [this, x, then](const std::vector<std::string>& ids) {
        if (ids.empty())
          return reply(x, "[]");
        then(ids);
      },
      [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::stop(request x, param_reader& params) {
  auto names = params.texts("names");
  auto force = params.flag("force").value_or(false);
  if (!accept(x, params))
    return;
  with_ids(x, std::move(names), [this, x, force](auto& ids) {
    change_group(x, stop_atom::value, ids, force, x.by);
  });
}

void control_session_state::restart(request x, param_reader& params) {
  auto names = params.texts("names");
  auto force = params.flag("force").value_or(false);
  auto rolling = params.flag("rolling").value_or(false);
  auto ready_within = params.number("ready_within_ms").value_or(60'000);
  if (!accept(x, params))
    return;
  if (rolling)
    return with_ids(
      x, std::move(names), [this, x, force, ready_within](auto& ids) {
        change_group(x, restart_atom::value, ids, force, ready_within, x.by);
      });
  for_each_name(x, std::move(names), [this, x, force](auto& id, auto done) {
    change_one(x, id, done, force);
  });
}

void control_session_state::scale(request x, param_reader& params) {
  auto name = params.required_text("name");
  auto count = params.number("replicas");
  if (!count)
    params.reject("parameter 'replicas': a number is expected");
  if (!accept(x, params))
    return;
  change_group(x, scale_atom::value, name, *count, x.by);
}

void control_session_state::graph(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, graph_atom::value)
    .then([this, x](
            const std::vector<graph_node>& nodes) { reply(x, json_of(nodes)); },
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

// -- configurations -----------------------------------------------------------

void control_session_state::diff(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  auto config = on_->read_config();
  if (!config)
    return reject(x, config.error());
  self_->request(on_->manager, x.deadline, diff_atom::value, std::move(*config))
    .then([this,
           x](const config_diff& difference) { reply(x, to_json(difference)); },
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::apply(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  auto config = on_->read_config();
  if (!config)
    return reject(
      x, {config.error().code, config.error().text + "\nnothing has changed"});
  self_
    ->request(on_->manager, x.deadline, apply_atom::value, std::move(*config),
              x.by)
    .then(
      [this, x](const apply_report& report) {
        reply(x, fmt::format("{{\"diff\":{},\"outcomes\":{}}}",
                             to_json(report.diff),
                             outcomes_json(report.outcomes)));
      },
      [this, x](const caf::error& why) {
        auto ours = from_caf(why);
        if (ours.code == ec::timeout)
          ours.text = "apply: not done within the time given; it goes on";
        reject(x, ours);
      });
}

// -- simulate -----------------------------------------------------------------

void control_session_state::simulate(request x, param_reader& params) {
  auto name = params.required_text("name");
  auto text = params.raw_array("ends");
  rapidjson::Document array;
  std::vector<assumed_end> ends;
  if (!text)
    params.reject("parameter 'ends': an array is expected");
  else if (array.Parse(text->data(), text->size()).HasParseError())
    params.reject("parameter 'ends': not JSON");
  else if (auto ok = json::read(array, ends, "ends"); !ok)
    params.reject(ok.error().text);
  if (!accept(x, params))
    return;
  auto tell = [this, x, ends](const process_record& record) {
    reply(x, json_of(restart_timetable(record.definition.spec, ends)));
  };
  self_->request(on_->manager, x.deadline, get_atom::value, name)
    .then(tell, [this, x, name, tell](const caf::error& why) {
      // The name of replicas, which all have one policy.
      self_->request(on_->manager, x.deadline, get_atom::value, name + ".1")
        .then(tell,
              [this, x, why](const caf::error&) { reject(x, from_caf(why)); });
    });
}

} // namespace pm
