#pragma once

#include <deque>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <pm/log_reader.hpp>

#include "runtime/logs/line_joiner.hpp"
#include "runtime/logs/log_index_file.hpp"
#include "runtime/logs/log_segments.hpp"

namespace pm {

// One file at a time: rotated ones in their order, then the log's own.
struct log_cursor::impl {
  std::string path;
  log_query query;
  std::deque<log_segment> ahead; // to be read before the file at `path`
  unique_fd file;
  bool is_segment = false; // `file` is a rotated one: nothing is appended
  uint64_t base = 0;       // number of the file's first byte
  struct stat identity {};
  std::unique_ptr<log_index_file> index;
  uint64_t position = 0;
  uint64_t begin = 0; // where reading began
  line_joiner joiner;
  std::deque<log_line> waiting; // found when opening
  std::string buffer;

  // Opens where the query begins.
  expected<void> open();

  // Goes over to the next file there is. False: it is the same.
  expected<bool> advance(std::vector<log_line>& to);

  // Reads on for some hundred KiB, further only until there is a line.
  expected<void> read_more(std::vector<log_line>& to);

  // What is there of lines without an end.
  void flush(std::vector<log_line>& to);

private:
  expected<bool> open_own();
  expected<void> open_next();
  expected<void> open_rotated(const log_segment& x);
  expected<bool> open_file();
  expected<void> seek_start();
  expected<void> seek_last(size_t lines, uint64_t first);
  expected<void> look_back(size_t lines);
  void seek(uint64_t offset);
  expected<bool> step(uint64_t limit, std::vector<log_line>& to);
  uint64_t size() const;
  char byte_at(uint64_t offset) const;
  bool continues(const log_chunk& from, uint64_t offset);
  bool is_wanted(const log_line& line) const;
  void filter(std::vector<log_line>& lines) const;
};

} // namespace pm
