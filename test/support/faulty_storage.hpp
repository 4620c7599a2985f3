#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <pm/storage.hpp>

namespace pm::test {

// A directory in memory that knows what of it would survive a power cut, and
// that fails where the test wants it to. Every call counts as one step.
class faulty_storage : public storage {
public:
  // Steps up to now.
  size_t steps() const { return steps_; }

  // From this step (counted from 1) on every call fails: the program has died
  // there. An append at this very step leaves half of its bytes.
  void stop_the_world_at(size_t step) { stop_at_ = step; }

  // The steps from `step` on, `count` of them, fail with this errno.
  void fail_steps(size_t step, size_t count, int number);

  // The next `count` appends fail with this errno after writing half.
  void fail_next_appends(size_t count, int number);

  // The next `count` syncs (of files or the directory) fail with this errno.
  // What a file had that was not synced is never synced after that, as a
  // kernel does that drops the pages.
  void fail_next_syncs(size_t count, int number);

  // The next `count` truncations fail with this errno.
  void fail_next_truncates(size_t count, int number);

  // What a new program finds: all that was written (`power_cut` false), or
  // only what was synced, names included. Faults are cleared.
  std::shared_ptr<faulty_storage> after_crash(bool power_cut) const;

  // What a power cut may leave as well, by `seed`: of what was not synced some
  // renames, removals and new names are there and some are not, in their order
  // or another, and a file's unsynced end is there, missing, cut, or lacks some
  // of its sectors.
  std::shared_ptr<faulty_storage> after_power_cut(uint64_t seed) const;

  // Direct access for tests that damage bytes; creates what is missing.
  std::string& bytes(std::string_view name);

  bool has(std::string_view name) const;

  // The name of the last call that was made, as in "rename a b".
  const std::string& last_call() const { return last_call_; }

  expected<std::shared_ptr<storage_file>> open(const std::string& name,
                                               open_mode mode) override;
  expected<std::optional<std::string>> read(const std::string& name) override;
  expected<void> rename(const std::string& from,
                        const std::string& to) override;
  expected<void> remove(const std::string& name) override;
  expected<std::vector<std::string>> list() override;
  expected<void> sync_directory() override;
  timestamp now() override;

  struct contents {
    std::string written;
    std::string synced;
    bool pages_lost = false;
  };

  // For the files of this storage: each takes its step and its fault.
  expected<void> append(contents& to, std::string_view bytes);
  expected<void> sync(contents& to);
  expected<void> truncate(contents& to, uint64_t size);

private:
  using directory = std::map<std::string, std::shared_ptr<contents>>;

  // A change of the directory that is not synced yet.
  struct name_change {
    std::string from; // of a rename or a removal
    std::string to;   // of a rename or a new file
    std::shared_ptr<contents> file;
  };

  struct fault {
    size_t count = 0;
    int number = 0;
  };

  expected<void> step(std::string call);
  static expected<void> take(fault& from, std::string_view call);

  directory names_;
  directory synced_names_;
  std::vector<name_change> unsynced_;
  size_t steps_ = 0;
  size_t stop_at_ = SIZE_MAX;
  size_t fail_at_ = SIZE_MAX;
  fault step_fault_;
  fault append_fault_;
  fault sync_fault_;
  fault truncate_fault_;
  std::string last_call_;
};

} // namespace pm::test
