#include "registry/store/registry_contents.hpp"

namespace pm {

void registry_contents::apply(change x, bool shared) {
  if (auto* definition = std::get_if<process_definition>(&x)) {
    auto& kept = processes[definition->handle_id];
    kept.change(shared).definition = std::move(*definition);
  } else if (auto* state = std::get_if<state_change>(&x)) {
    auto found = processes.find(state->handle_id);
    if (found != processes.end())
      found->second.change(shared).state = std::move(state->state);
  } else if (auto* gone = std::get_if<removal>(&x)) {
    processes.erase(gone->handle_id);
  } else if (auto* began_or_ended = std::get_if<node_mark>(&x)) {
    mark = std::move(*began_or_ended);
  } else if (auto* run = std::get_if<ended_run>(&x)) {
    ended.push_back(
      {sequence, std::make_shared<const ended_run>(std::move(*run))});
  } else if (auto* request = std::get_if<request_mark>(&x)) {
    requests.push_back(std::move(*request));
    if (requests.size() > request_marks_max)
      requests.pop_front();
  }
}

frozen_contents freeze(const registry_contents& x) {
  frozen_contents result;
  result.mark = x.mark;
  result.sequence = x.sequence;
  result.processes.reserve(x.processes.size());
  result.requests.assign(x.requests.begin(), x.requests.end());
  result.ended = x.ended;
  for (auto& [id, record] : x.processes)
    result.processes.push_back(record.share());
  return result;
}

} // namespace pm
