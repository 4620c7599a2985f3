#pragma once

#include <atomic>
#include <memory>

#include <pm/storage.hpp>

namespace pm::test {

// How a program ended that `killing_storage` ended: the exit code.
constexpr int killed_at_call = 77;
constexpr int killed_at_append = 78; // there is a middle to die in as well

// A storage that ends this program, without a last word, at the `at`th of its
// calls (from 1): before it, or, of an append, after half of the bytes.
class killing_storage : public storage {
public:
  killing_storage(std::shared_ptr<storage> on, size_t at, bool in_the_middle)
    : on_(std::move(on)), at_(at), in_the_middle_(in_the_middle) {}

  expected<std::shared_ptr<storage_file>> open(const std::string& name,
                                               open_mode mode) override;
  expected<std::optional<std::string>> read(const std::string& name) override;
  expected<void> rename(const std::string& from,
                        const std::string& to) override;
  expected<void> remove(const std::string& name) override;
  expected<std::vector<std::string>> list() override;
  expected<void> sync_directory() override;
  timestamp now() override { return on_->now(); }

  // For the files of this storage.
  void step();
  expected<void> append(storage_file& to, std::string_view bytes);

private:
  std::shared_ptr<storage> on_;
  size_t at_;
  bool in_the_middle_;
  std::atomic<size_t> calls_ = 0;
};

} // namespace pm::test
