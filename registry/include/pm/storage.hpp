#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/error.hpp>
#include <pm/units.hpp>

namespace pm {

// One open file. `append` and `truncate` belong to one thread; `sync` may run
// on another at the same time.
class storage_file {
public:
  virtual ~storage_file() = default;

  // Appends all of `bytes`. After a failure an unknown part of them is there;
  // `truncate` takes it away. Errors: storage_failed.
  virtual expected<void> append(std::string_view bytes) = 0;

  // Makes what was appended survive a power cut (fdatasync(2)). A failed sync
  // says nothing about what is on disk: never retry it on the same file.
  // Errors: storage_failed.
  virtual expected<void> sync() = 0;

  // Cuts the file to `size` bytes. Errors: storage_failed.
  virtual expected<void> truncate(uint64_t size) = 0;
};

enum class open_mode : uint8_t {
  append,  // keeps what is there; made if it is missing
  replace, // begins empty
};

// All that the registry asks of the operating system: the seam that tests put
// their faults into. Names are of one directory, without slashes. Calls may
// come from two threads at once. All errors are storage_failed.
class storage {
public:
  virtual ~storage() = default;

  virtual expected<std::shared_ptr<storage_file>> open(const std::string& name,
                                                       open_mode mode) = 0;

  // The whole file; none if it does not exist.
  virtual expected<std::optional<std::string>>
  read(const std::string& name) = 0;

  // Puts `from` in the place of `to`.
  virtual expected<void> rename(const std::string& from,
                                const std::string& to) = 0;

  // Removes a file; one that does not exist is fine.
  virtual expected<void> remove(const std::string& name) = 0;

  // The names of all files, in any order.
  virtual expected<std::vector<std::string>> list() = 0;

  // Makes renames, removals and new names survive a power cut.
  virtual expected<void> sync_directory() = 0;

  // The time, for the names of files that are kept aside.
  virtual timestamp now() = 0;
};

// Puts `text` into the file `name` in one step, durably: what is there before
// or after a crash is whole. Errors: storage_failed.
expected<void> put_file(storage& on, const std::string& name,
                        std::string_view text);

// The real one, on the directory `path`. Files are made with mode 0600;
// symbolic links are not followed. Errors: storage_failed.
expected<std::shared_ptr<storage>> open_storage(const std::string& path);

} // namespace pm
