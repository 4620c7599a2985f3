#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pm/config_diff.hpp>
#include <pm/process_graph.hpp>
#include <pm/process_host.hpp>
#include <pm/record.hpp>

// What messages carry. Every struct has one field list; CAF serialises it as
// the JSON that also stands on disk and on the control socket.

namespace pm {

// Who asks, why, and under which correlation id. An empty correlation id is
// made up by the manager.
struct request_context {
  std::string correlation_id;
  pm::cause cause = pm::cause::user;
  int uid = -1; // of the asking program; -1 inside this one
  int pid = 0;
  std::string program; // its name
  // Names the request: one that was acted upon is not again, even if it comes
  // from another connection or after a crash. Empty: it has no name.
  std::string request_id;
  bool wait = true; // reply when the thing has happened, not when it has begun

  bool operator==(const request_context&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("correlation_id", x.correlation_id),
                 field("cause", x.cause), field("uid", x.uid),
                 field("pid", x.pid), field("program", x.program),
                 field("request_id", x.request_id), field("wait", x.wait));
  }
};

// What a request did: `changed` is false where it already was so.
struct change_outcome {
  bool changed = false;
  process_view process;

  bool operator==(const change_outcome&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("changed", x.changed), field("process", x.process));
  }
};

// What became of one process of a request for several: `error` is set where
// it failed.
struct named_outcome {
  std::string handle_id;
  change_outcome outcome;
  pm::error error;

  bool operator==(const named_outcome&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("outcome", x.outcome),
                 field("error", x.error));
  }
};

// What a configuration has changed, and what became of each process.
struct apply_report {
  config_diff diff;
  std::vector<named_outcome> outcomes;

  bool operator==(const apply_report&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("diff", x.diff), field("outcomes", x.outcomes));
  }
};

// Which processes `list` gives; an empty member does not filter. `names` are
// shell patterns or names.
struct list_filter {
  std::vector<std::string> names;
  std::optional<pm::kind> kind;
  std::optional<pm::status> status;
  std::map<std::string, std::string> labels;

  bool operator==(const list_filter&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("names", x.names), field("kind", x.kind),
                 field("status", x.status), field("labels", x.labels));
  }
};

// What `wait` waits for: a status, or
//   started  a run has begun since (or is alive now)
//   ready    ready to serve
//   ended    stopped or failed
#define PM_WAIT_TARGETS(X) PM_STATUSES(X) X(started) X(ready) X(ended)
PM_ENUM(wait_target, PM_WAIT_TARGETS)

// A command to be run to its end. The handle id may be empty.
struct run_request {
  std::string handle_id;
  process_spec spec;
  // The whole environment, or what comes on top of the node's and the spec's;
  // not kept on disk. Empty: those.
  std::map<std::string, std::string> environment;
  bool environment_on_top = false;
  std::optional<milliseconds> timeout; // of the child; none: no limit
  bool stdin_pipe = false;
  bool stream = false; // output goes to the listener instead of the result
  uint64_t capture_max = 16u << 20;

  bool operator==(const run_request&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id), field("spec", x.spec),
                 field("environment", x.environment),
                 field("environment_on_top", x.environment_on_top),
                 field("timeout_ms", x.timeout),
                 field("stdin_pipe", x.stdin_pipe), field("stream", x.stream),
                 field("capture_max", x.capture_max));
  }
};

// One change of the registry's. Exactly what is set is written, in this order.
struct registry_change {
  std::string handle_id;
  std::optional<process_definition> definition;
  std::optional<process_state> state;
  bool removal = false;
  std::optional<ended_run> ended;
  std::string request_id; // that is acted upon; empty: none

  bool operator==(const registry_change&) const = default;

  template <class Self, class Visit>
  static auto fields(Self& x, Visit&& visit) {
    return visit(field("handle_id", x.handle_id),
                 field("definition", x.definition), field("state", x.state),
                 field("removal", x.removal), field("ended", x.ended),
                 field("request_id", x.request_id));
  }
};

} // namespace pm
