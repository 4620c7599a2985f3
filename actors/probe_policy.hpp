#pragma once

#include <pm/record.hpp>

// When the answers of a probe turn it, and what a process is by its probes.
// Pure.

namespace pm {

// What an answer has changed.
enum class probe_turn : uint8_t { none, good, bad };

// Takes an answer into the count of a probe. It turns good after
// `success_count` good answers in a row, and bad after `failure_count` bad
// ones; each turn is told once, until the next.
probe_turn note_answer(const probe_spec& spec, probe_report& report, bool good,
                       std::string text, timestamp at);

// The probe of this role; null if there is none.
const probe_spec* find_probe(const process_spec& spec, probe_role role);

// True if readiness is more than to be running.
bool has_readiness(const process_spec& spec);

} // namespace pm
