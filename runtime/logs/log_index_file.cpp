#include "runtime/logs/log_index_file.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/stat.h>

namespace pm {

log_index_file::log_index_file(const std::string& log_file)
  : file_(::open(log_index_path(log_file).c_str(),
                 O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  refresh();
}

void log_index_file::refresh() {
  struct stat status {};
  count_ = 0;
  cached_count_ = 0;
  if (file_ && ::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode))
    count_ = static_cast<size_t>(status.st_size) / sizeof(log_index_record);
}

log_index_record log_index_file::at(size_t i) {
  if (i - cached_begin_ >= cached_count_) { // also for i < cached_begin_
    cached_begin_ = i / block * block;
    auto read =
      ::pread(file_.get(), cache_.data(), sizeof(cache_),
              static_cast<off_t>(cached_begin_ * sizeof(log_index_record)));
    cached_count_ =
      read > 0 ? static_cast<size_t>(read) / sizeof(cache_[0]) : 0;
  }
  auto place = i - cached_begin_;
  return place < cached_count_ ? cache_[place] : log_index_record{};
}

log_chunk log_index_file::chunk(size_t i) {
  auto record = at(i);
  log_chunk result;
  result.begin = record.offset;
  result.end = UINT64_MAX;
  if (i + 1 < count_)
    result.end = std::max(record.offset, at(i + 1).offset);
  if (record.which >= enum_names<stream>::names.size() || record.time_us <= 0)
    return result;
  result.time_us = record.time_us;
  result.run_id = pm::run_id{record.run_id};
  result.which = static_cast<stream>(record.which);
  return result;
}

std::optional<size_t> log_index_file::covering(uint64_t offset) {
  size_t low = 0;
  size_t high = count_; // the first record above `offset` is in [low, high]
  while (low < high) {
    auto middle = low + (high - low) / 2;
    if (at(middle).offset <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0)
    return std::nullopt;
  return low - 1;
}

size_t log_index_file::since(int64_t time_us) {
  for (auto i = count_; i > 0; --i)
    if (at(i - 1).time_us < time_us)
      return i - 1;
  return 0;
}

} // namespace pm
