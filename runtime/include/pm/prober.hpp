#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <pm/event_loop.hpp>
#include <pm/ids.hpp>
#include <pm/policy_spec.hpp>
#include <pm/units.hpp>

namespace pm {

struct probe_answer {
  bool good = false;
  std::string text;    // what was seen, in words
  uint64_t offset = 0; // log_line: where to go on
  pm::run_id run_id;   // exec: the run that was asked, to be acknowledged
};

// Asks no further; may be called once it has been answered, too.
using cancel_probe = std::function<void()>;

// One question of a probe.
struct probe_question {
  probe_spec what;
  std::string log_file;           // log_line: where to look,
  pm::run_id run_id;              // for lines of this run,
  uint64_t offset = 0;            // from this number on,
  std::optional<timestamp> since; // and from its beginning if that is 0

  // exec: begins the command and gives what kills it; `done` is told its end,
  // however it comes. Both on the prober's thread.
  std::function<cancel_probe(std::function<void(probe_answer)> done)> begin;
};

// Asks the questions of probes. The loop's one is the real one; tests use
// another.
class prober {
public:
  virtual ~prober() = default;

  // Asks once; `done` is called once, later: at the latest when the probe's
  // timeout has passed since it was begun, or when a command that was killed
  // for that is gone. A cancelled one is answered too. Any thread; `done` comes
  // on the prober's.
  virtual cancel_probe ask(probe_question what,
                           std::function<void(probe_answer)> done) = 0;
};

// Questions under way at once, at most; the others wait for their turn.
constexpr size_t probes_at_once_max = 64;

// A prober on `loop`, which must outlive it. Destroy it on the loop's thread;
// `done` functions that have not been called are dropped.
std::unique_ptr<prober> make_loop_prober(event_loop& loop);

} // namespace pm
