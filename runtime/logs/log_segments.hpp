#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pm/error.hpp>
#include <pm/spec.hpp>

#include "runtime/os/unique_fd.hpp"

// The rotated files of a log (log_format.md): `<path>.<begin>-<end>`, with
// `.gz` when compressed, each with its index `<path>.<begin>-<end>.idx`.

namespace pm {

struct log_segment {
  std::string path;   // without ".gz"
  uint64_t begin = 0; // number of its first byte since the log began
  uint64_t end = 0;
  bool is_compressed = false;
  int64_t modified_us = 0; // when its last byte came
};

std::string segment_path(const std::string& path, uint64_t begin, uint64_t end);

// All rotated files of the log at `path`, the oldest first.
std::vector<log_segment> find_segments(const std::string& path);

// The number of the first byte of the file at `path` itself.
uint64_t log_base(const std::string& path);

// Gives the newest rotated file its index, if a writer died between the two
// renames.
void adopt_index(const std::string& path);

// Compresses and removes rotated files as `rules` say; what a crash has left
// half done is done again. Blocks.
void tidy_rotated(const std::string& path, const log_spec& rules);

// Opens the bytes of a rotated file, those of a compressed one in memory.
// Errors: system_failed.
expected<unique_fd> open_segment(const log_segment& x);

} // namespace pm
