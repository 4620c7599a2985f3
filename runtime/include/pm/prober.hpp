#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <pm/event_loop.hpp>
#include <pm/ids.hpp>
#include <pm/policy_spec.hpp>

namespace pm {

// One question of a probe: all kinds but `exec`, which is a run.
struct probe_question {
  probe_spec what;
  std::string log_file; // log_line: where to look,
  pm::run_id run_id;    // for lines of this run,
  uint64_t offset = 0;  // from this number on
};

struct probe_answer {
  bool good = false;
  std::string text;    // what was seen, in words
  uint64_t offset = 0; // log_line: where to go on
};

// Asks the questions of probes. The loop's one is the real one; tests use
// another.
class prober {
public:
  virtual ~prober() = default;

  // Asks once; `done` is called later, at the latest when the probe's timeout
  // has passed since it was begun. Any thread; `done` comes on the prober's.
  virtual void ask(probe_question what,
                   std::function<void(probe_answer)> done) = 0;
};

// Questions under way at once, at most; the others wait for their turn.
constexpr size_t probes_at_once_max = 64;

// A prober on `loop`, which must outlive it. Destroy it on the loop's thread;
// `done` functions that have not been called are dropped.
std::unique_ptr<prober> make_loop_prober(event_loop& loop);

} // namespace pm
