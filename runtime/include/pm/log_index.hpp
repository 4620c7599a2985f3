#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <pm/status.hpp>

namespace pm {

// One record of a log's index, `<log file>.idx`, in the machine's byte order
// (little-endian on both platforms). It is written before its bytes: the chunk
// begins at `offset` of the log file and ends where the next record begins; of
// two records with one offset the last one counts.
struct log_index_record {
  uint64_t offset = 0;
  int64_t time_us = 0; // arrival, microseconds since 1970 UTC
  std::array<uint8_t, 16> run_id{};
  uint8_t which = 0; // pm::stream
  std::array<uint8_t, 7> reserved{};

  bool operator==(const log_index_record&) const = default;
};

static_assert(sizeof(log_index_record) == 40);

// The index file that belongs to `log_file`.
inline std::string log_index_path(const std::string& log_file) {
  return log_file + ".idx";
}

} // namespace pm
