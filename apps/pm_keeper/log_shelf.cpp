#include "apps/pm_keeper/log_shelf.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace pm::keeper {

namespace {

// For what cannot go through the kernel; its pages are touched only then.
std::array<char, 64u << 10> scratch;

uint32_t hash_of(std::string_view path) noexcept {
  uint32_t result = 2166136261u;
  for (auto c : path)
    result = (result ^ static_cast<uint8_t>(c)) * 16777619u;
  return result;
}

} // namespace

log_ref::log_ref(shelf_log* log) noexcept : log_(log) {
  if (log_ != nullptr)
    ++log_->references;
}

void log_ref::reset() noexcept {
  auto log = std::exchange(log_, nullptr);
  if (log != nullptr && --log->references == 0)
    log->shelf->forget(*log);
}

log_ref log_shelf::at(std::string_view path) noexcept {
  if (path.empty())
    return {};
  auto bucket = hash_of(path) % bucket_count;
  for (auto log = buckets_[bucket]; log != nullptr; log = log->next)
    if (path == log->path)
      return log_ref{log};
  auto memory = std::malloc(sizeof(shelf_log) + path.size());
  if (memory == nullptr)
    return {};
  auto log = new (memory) shelf_log;
  log->shelf = this;
  log->bucket = bucket;
  log->next = std::exchange(buckets_[bucket], log);
  std::memcpy(log->path, path.data(), path.size());
  log->path[path.size()] = 0;
  return log_ref{log};
}

void log_shelf::forget(shelf_log& log) noexcept {
  drop_from_open(log);
  auto at = &buckets_[log.bucket];
  while (*at != &log)
    at = &(*at)->next;
  *at = log.next;
  log.~shelf_log();
  std::free(&log);
}

void log_shelf::drop_from_open(const shelf_log& log) noexcept {
  auto end = open_.begin() + open_count_;
  open_count_ -=
    static_cast<size_t>(end - std::remove(open_.begin(), end, &log));
}

void log_shelf::to_front(shelf_log& log) noexcept {
  auto end = open_.begin() + open_count_;
  auto at = std::find(open_.begin(), end, &log);
  if (at == end) {
    *end = &log;
    ++open_count_;
  }
  std::rotate(open_.begin(), at, at + 1);
}

log_taken log_shelf::take(shelf_log& log, int pipe, const log_mark& from,
                          size_t max) noexcept {
  if (!log.sink.is_open() && open_count_ == open_max) {
    auto oldest = open_[open_max - 1];
    oldest->sink.close();
    drop_from_open(*oldest);
  }
  auto result = log.sink.take(log.path, pipe, from, max, scratch);
  if (log.sink.is_open())
    to_front(log);
  else
    drop_from_open(log);
  return result;
}

void log_shelf::close_all() noexcept {
  for (size_t i = 0; i < open_count_; ++i)
    open_[i]->sink.close();
  open_count_ = 0;
}

} // namespace pm::keeper
