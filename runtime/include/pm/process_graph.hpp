#pragma once

#include <string>
#include <vector>

#include <pm/policy_spec.hpp>
#include <pm/status.hpp>

// Who depends on whom, as `graph` shows it.

namespace pm {

// One dependency of a process; `name` may mean several replicas.
struct graph_need {
  std::string name;
  dependency_condition condition = dependency_condition::started;
  bool restart = false;
  bool stop = false;
  bool met = false;

  bool operator==(const graph_need&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("name", x.name), field("condition", x.condition),
                 field("restart", x.restart), field("stop", x.stop),
                 field("met", x.met));
  }
};

struct graph_node {
  std::string handle_id;
  std::string replica_of; // the name that its replicas share; empty: none
  pm::status status = pm::status::pending;
  bool ready = false;
  pm::health health = pm::health::unchecked;
  std::string status_text;
  std::vector<graph_need> needs;

  bool operator==(const graph_node&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id),
                 field("replica_of", x.replica_of), field("status", x.status),
                 field("ready", x.ready), field("health", x.health),
                 field("status_text", x.status_text), field("needs", x.needs));
  }
};

} // namespace pm
