#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "registry/config/config_source.hpp"

namespace pm::config {

// Joins `name` to the directory `dir` unless it is absolute, and takes "."
// and ".." out of the result.
std::string join_path(const std::string& dir, std::string_view name);

// The directory that `file` is in, as written: "." for a bare name.
std::string dir_of(const std::string& file);

// A file that was read, with what makes it this file under any name.
struct read_file {
  const source* text = nullptr;
  dev_t device = 0;
  ino_t inode = 0;
};

// Reads the files of one load and owns their texts.
class file_store {
public:
  // Takes `text` for the contents of the file `path`.
  const source& add_text(std::string shown, std::string dir, std::string text);

  // Reads the regular file `path` of at most `file_bytes_max`; a second time
  // it is not read again. Errors: bad_config with the reason alone ("No such
  // file or directory"); as root also where others could have written it.
  expected<read_file> read(const std::string& path, const std::string& shown);

  // The paths of all files read, in order.
  const std::vector<std::string>& paths() const noexcept { return paths_; }

  // The number that the next source will have.
  size_t next_number() const noexcept { return sources_.size(); }

private:
  std::deque<source> sources_;
  std::vector<std::string> paths_;
  std::map<std::string, read_file> known_; // by path
};

// Why root should not trust `path`, to which `file` is open: who else can
// write it or replace it in its directory. Empty if nobody can.
std::string distrust(int file, const std::string& path);

} // namespace pm::config
