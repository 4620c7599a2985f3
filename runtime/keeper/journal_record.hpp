#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/keeper/protocol.hpp"

// The records of keeper.runs and keeper.exits, which the keeper writes and a
// node reads when the keeper is gone. protocol.md describes them.

namespace pm::keeper {

constexpr char runs_name[] = "keeper.runs";
constexpr char exits_name[] = "keeper.exits";

struct journal_record {
  run_key run_id{};
  uint64_t start_ticks = 0;
  int64_t time_us = 0; // of the spawn, or of the exit
  int32_t pid = 0;
  int32_t value = 0; // exit code or signal
  uint32_t outcome = 0;
  uint32_t check = 0; // tells a torn record from a whole one
};

static_assert(sizeof(journal_record) == 48);

// FNV-1a over all that stands before `check`.
constexpr uint32_t checksum(const journal_record& x) noexcept {
  uint32_t hash = 2166136261u;
  auto mix = [&](uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i, value >>= 8)
      hash = (hash ^ static_cast<uint32_t>(value & 0xff)) * 16777619u;
  };
  for (auto byte : x.run_id)
    mix(byte, 1);
  mix(x.start_ticks, 8);
  mix(static_cast<uint64_t>(x.time_us), 8);
  mix(static_cast<uint32_t>(x.pid), 4);
  mix(static_cast<uint32_t>(x.value), 4);
  mix(x.outcome, 4);
  return hash;
}

constexpr journal_record make_record(const run_key& run, int pid,
                                     uint64_t start_ticks, int64_t time_us,
                                     outcome what, int value) noexcept {
  journal_record result{
    run, start_ticks, time_us, pid, value, static_cast<uint32_t>(what), 0};
  result.check = checksum(result);
  return result;
}

} // namespace pm::keeper
