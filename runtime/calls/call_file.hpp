#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pm/ids.hpp>

#include "runtime/calls/call_frame.hpp"
#include "runtime/os/unique_fd.hpp"

// The file through which a process gets its one call (call_format.md).

namespace pm::calls {

// Where the call of this run is.
std::string call_file_path(const std::string& state_dir, const run_id& run);

// Writes the file, with `code` and the body of the call; what it returns is
// what the process gets as descriptor 0. Not synced: the run dies with the
// machine. Errors: storage_failed, invalid_argument (above `body_max`).
expected<unique_fd> make_call_file(const std::string& path,
                                   std::string_view code,
                                   std::string_view body);

// The answer, its body not looked at yet.
struct answer {
  frame_kind kind = frame_kind::result;
  std::string body;
};

// Reads what the process has answered. Errors: call_failed (nothing, or no
// answer), storage_failed.
expected<answer> read_call_file(const std::string& path);

// Removes the file; one that is not there is fine.
void remove_call_file(const std::string& path) noexcept;

// Removes the files of all runs but these: nobody will ask for them.
void sweep_call_files(const std::string& state_dir,
                      const std::vector<run_id>& keep);

} // namespace pm::calls
