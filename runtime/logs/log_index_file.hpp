#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include <pm/ids.hpp>
#include <pm/log_index.hpp>

#include "runtime/os/unique_fd.hpp"

namespace pm {

// A stretch of a log's bytes that came together.
struct log_chunk {
  uint64_t begin = 0;
  uint64_t end = 0; // UINT64_MAX for the last one
  int64_t time_us = 0;
  pm::run_id run_id;
  std::optional<pm::stream> which; // none: unknown, as all of it
};

// Reads a log's index, which may be missing, short, or written to meanwhile.
// Belongs to one thread.
class log_index_file {
public:
  // Opens the index of `log_file`; without one it has no records.
  explicit log_index_file(const std::string& log_file);

  // Looks again how many records there are, and forgets what it has read.
  void refresh();

  size_t size() const noexcept { return count_; }

  // The i-th record, i < size(); an empty one if it cannot be read.
  log_index_record at(size_t i);

  // The chunk of record i.
  log_chunk chunk(size_t i);

  // The last record whose offset is not above `offset`, of several with one
  // offset the last; none if `offset` is before all of them.
  std::optional<size_t> covering(uint64_t offset);

  // The first record that may belong to lines from `time_us` on: all before it
  // are older. 0 if there are none.
  size_t since(int64_t time_us);

private:
  static constexpr size_t block = 512; // records

  unique_fd file_;
  size_t count_ = 0;
  size_t cached_begin_ = 0;
  size_t cached_count_ = 0;
  std::array<log_index_record, block> cache_{};
};

} // namespace pm
