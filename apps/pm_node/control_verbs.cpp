#include "apps/pm_node/control_session.hpp"

#include <memory>

#include <pm/caf_error.hpp>
#include <pm/config.hpp>

#include <pm/json_fields.hpp>

#include "apps/pm_node/outcome_json.hpp"

// The verbs that change processes. Each answers with one outcome for each
// process, in the order of the names.

namespace pm {

namespace {

// The outcomes of one request as they come in.
struct collection {
  std::vector<std::string> outcomes;
  size_t pending = 0;
};

std::string joined(const std::vector<std::string>& outcomes) {
  return fmt::format("[{}]", fmt::join(outcomes, ","));
}

} // namespace

// Resolves the names, acts on each process, and replies when all are done.
void control_session_state::for_each_name(
  request x, std::vector<std::string> names,
  std::function<void(const std::string&, std::function<void(std::string)>)>
    act) {
  auto begin = [this, x, act](const std::vector<std::string>& ids) {
    if (ids.empty())
      return reply(x, "[]");
    auto all = std::make_shared<collection>();
    all->outcomes.resize(ids.size());
    all->pending = ids.size();
    for (size_t i = 0; i < ids.size(); ++i)
      act(ids[i], [this, x, all, i](std::string outcome) {
        all->outcomes[i] = std::move(outcome);
        if (--all->pending == 0)
          reply(x, joined(all->outcomes));
      });
  };
  self_
    ->request(on_->manager, caf::infinite, resolve_atom::value,
              std::move(names))
    .then(begin,
          [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

// Sends one request for one process to the manager.
template <class... Ts>
void control_session_state::change(const request& x, const std::string& id,
                                   std::function<void(std::string)> done,
                                   Ts... message) {
  self_->request(on_->manager, x.deadline, message...)
    .then([id, done](
            const change_outcome& outcome) { done(outcome_json(id, outcome)); },
          [id, done, verb = x.verb](const caf::error& why) {
            auto ours = from_caf(why);
            if (ours.code == ec::timeout)
              ours.text =
                fmt::format("{} '{}': not done within the time given; "
                            "it goes on",
                            verb, id);
            done(outcome_json(id, ours));
          });
}

void control_session_state::start(request x, param_reader& params) {
  if (params.has("spec"))
    return define_and_start(std::move(x), params);
  auto names = params.texts("names");
  if (!accept(x, params))
    return;
  for_each_name(x, std::move(names), [this, x](auto& id, auto done) {
    change(x, id, done, start_atom::value, id, x.by);
  });
}

void control_session_state::define_and_start(request x, param_reader& params) {
  auto name = params.required_text("name");
  auto spec = params.raw_object("spec");
  auto dir = params.text("working_dir").value_or("/");
  if (!accept(x, params))
    return;
  if (auto ok = check_handle_id(name); !ok)
    return reject(x, ok.error());
  auto parsed = parse_process(name, spec.value_or("{}"), dir);
  if (!parsed)
    return reject(x, {ec::bad_config, to_string(parsed.error())});
  auto all = std::make_shared<collection>();
  all->outcomes.resize(parsed->size());
  all->pending = parsed->size();
  auto single = parsed->size() == 1;
  for (size_t i = 0; i < parsed->size(); ++i) {
    auto& definition = (*parsed)[i];
    auto id = definition.handle_id;
    self_
      ->request(on_->manager, x.deadline, define_atom::value, definition, true,
                x.by)
      .then(
        [this, x, all, i, id](const change_outcome& outcome) {
          all->outcomes[i] = outcome_json(id, outcome);
          if (--all->pending == 0)
            reply(x, joined(all->outcomes));
        },
        [this, x, all, i, id, single](const caf::error& why) {
          auto ours = from_caf(why);
          if (single)
            return reject(x, ours);
          all->outcomes[i] = outcome_json(id, ours);
          if (--all->pending == 0)
            reply(x, joined(all->outcomes));
        });
  }
}

void control_session_state::change_one(const request& x, const std::string& id,
                                       std::function<void(std::string)> done,
                                       bool force) {
  change(x, id, done, restart_atom::value, id, force, x.by);
}

void control_session_state::reset(request x, param_reader& params) {
  auto names = params.texts("names");
  if (!accept(x, params))
    return;
  for_each_name(x, std::move(names), [this, x](auto& id, auto done) {
    change(x, id, done, reset_atom::value, id, x.by);
  });
}

void control_session_state::remove(request x, param_reader& params) {
  auto names = params.texts("names");
  auto force = params.flag("force").value_or(false);
  if (!accept(x, params))
    return;
  for_each_name(x, std::move(names), [this, x, force](auto& id, auto done) {
    change(x, id, done, remove_atom::value, id, force, x.by);
  });
}

void control_session_state::signal(request x, param_reader& params) {
  auto names = params.texts("names");
  auto number = parse_signal(params.required_text("signal"));
  if (!number)
    params.reject(number.error().text);
  if (!accept(x, params))
    return;
  for_each_name(x, std::move(names),
                [this, x, number = *number](auto& id, auto done) {
                  change(x, id, done, signal_atom::value, id, number, x.by);
                });
}

void control_session_state::cleanup(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, cleanup_atom::value, x.by)
    .then(
      [this, x](uint64_t removed) {
        reply(x, fmt::format("{{\"removed\":{}}}", removed));
      },
      [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::save(request x, param_reader& params) {
  if (!accept(x, params))
    return;
  self_->request(on_->manager, x.deadline, save_atom::value)
    .then(
      [this, x](uint64_t generation) {
        reply(x, fmt::format("{{\"generation\":{}}}", generation));
      },
      [this, x](const caf::error& why) { reject(x, from_caf(why)); });
}

void control_session_state::shutdown(request x, param_reader& params) {
  auto leave_running = params.flag("leave_running").value_or(false);
  if (!accept(x, params))
    return;
  if (!x.by.wait)
    reply(x, "{}");
  self_
    ->request(on_->manager, caf::infinite, shutdown_atom::value, leave_running,
              false)
    .then(
      [this, x](bool) {
        if (x.by.wait)
          reply(x, "{}");
        on_->ended();
      },
      [this, x](const caf::error& why) {
        if (x.by.wait)
          reject(x, from_caf(why));
        on_->ended();
      });
}

} // namespace pm
