#pragma once

#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <pm/log_reader.hpp>

#include "runtime/logs/log_index_file.hpp"

namespace pm {

// Puts lines together from chunks, for each run and stream by itself.
class line_joiner {
public:
  // Tells whether the first bytes of a run and stream that it has not seen
  // yet continue a line from before them.
  using continues_fn = std::function<bool(const log_chunk&, uint64_t offset)>;

  // Feeds the bytes at `offset` of the file, which all belong to `from`;
  // appends the lines that they complete.
  void feed(const log_chunk& from, uint64_t offset, std::string_view bytes,
            const continues_fn& continues, std::vector<log_line>& to);

  // Appends what has no newline yet, oldest first.
  void flush(std::vector<log_line>& to);

  // How many lines `flush` would give.
  size_t open_count() const;

  void clear() { parts_.clear(); }

private:
  // Run, and the stream's number or 255.
  using key = std::pair<run_id, uint8_t>;

  struct part {
    log_line line; // its text is what is there so far
    bool is_open = false;
    bool is_skipping = false; // its beginning has not been read
  };

  std::map<key, part> parts_;
};

} // namespace pm
