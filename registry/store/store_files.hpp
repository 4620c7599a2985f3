#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pm/storage.hpp>

#include "registry/store/recovery.hpp"

// The registry's files and the order in which they take each other's place
// (registry/format.md). Every step leaves a directory that `recover` can read.

namespace pm::files {

constexpr std::string_view snapshot = "processes.json";
constexpr std::string_view snapshot_before = "processes.json.1";
constexpr std::string_view snapshot_temporary = "processes.json.tmp";
constexpr std::string_view journal = "processes.journal";
constexpr std::string_view journal_before = "processes.journal.1";
constexpr std::string_view journal_next = "processes.journal.next."; // + number
constexpr std::string_view history = "history.journal";
constexpr std::string_view history_temporary = "history.journal.tmp";

// The name of the journal that is begun for the snapshot `generation`.
std::string next_journal(uint64_t generation);

// Reads all that the registry has in `on`. `generation` becomes the highest
// number that a file's name says.
expected<found_files> read_all(storage& on, uint64_t& generation);

// Writes all of `bytes` to the new file `name`, durably.
expected<void> write_whole(storage& on, const std::string& name,
                           std::string_view bytes);

// A damaged file and the name under which it is kept.
struct aside {
  std::string name;
  std::string kept;
};

// Names for `damaged` files that are not taken yet.
expected<std::vector<aside>>
aside_names(storage& on, const std::vector<std::string>& damaged);

// Makes `text` the snapshot, durably; the one before stays beside it, unless
// it is damaged. What has gone aside leaves the list.
expected<void> put_snapshot(storage& on, std::string_view text,
                            std::vector<aside>& damaged);

// Gives the journal `newest` its lasting name, once the snapshot has all that
// the others say. The oldest of them stays for the snapshot before; damaged
// ones go aside, and leave the list.
expected<void> retire_journals(storage& on, const std::string& newest,
                               std::vector<aside>& damaged);

// Of the damaged files that were kept aside only this many stay of each name,
// the newest; numbered journals count as one name.
constexpr size_t kept_aside_max = 8;

// Removes those above `kept_aside_max`, as far as that can be done.
void drop_oldest_aside(storage& on);

} // namespace pm::files
