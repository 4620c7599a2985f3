#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "runtime/logs/log_sink.hpp"

namespace pm::keeper {

class log_shelf;

// One log that runs write to; as long as somebody refers to it.
struct shelf_log {
  log_shelf* shelf = nullptr;
  shelf_log* next = nullptr; // of the same bucket
  uint32_t references = 0;
  uint32_t bucket = 0;
  log_sink sink;
  char path[1] = {}; // as long as it is, ended by NUL
};

// Shares a log.
class log_ref {
public:
  log_ref() noexcept = default;
  explicit log_ref(shelf_log* log) noexcept;

  log_ref(log_ref&& other) noexcept
    : log_(std::exchange(other.log_, nullptr)) {}

  log_ref& operator=(log_ref&& other) noexcept {
    std::swap(log_, other.log_);
    other.reset();
    return *this;
  }

  log_ref(const log_ref&) = delete;
  log_ref& operator=(const log_ref&) = delete;

  ~log_ref() { reset(); }

  void reset() noexcept;

  explicit operator bool() const noexcept { return log_ != nullptr; }

  shelf_log& operator*() const noexcept { return *log_; }

private:
  shelf_log* log_ = nullptr;
};

// The logs of all runs by path: runs of one path share one open file. Only a
// few are open at a time.
class log_shelf {
public:
  static constexpr size_t open_max = 16;

  // The log at `path`; none for an empty path, or without memory.
  log_ref at(std::string_view path) noexcept;

  // As log_sink::take.
  log_taken take(shelf_log& log, int pipe, const log_mark& from,
                 size_t max) noexcept;

  void close_all() noexcept;

private:
  friend class log_ref;

  void forget(shelf_log& log) noexcept;
  void to_front(shelf_log& log) noexcept;
  void drop_from_open(const shelf_log& log) noexcept;

  static constexpr size_t bucket_count = 1024;

  std::array<shelf_log*, bucket_count> buckets_{};
  std::array<shelf_log*, open_max> open_{}; // the latest used first
  size_t open_count_ = 0;
};

} // namespace pm::keeper
