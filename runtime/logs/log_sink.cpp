#include "runtime/logs/log_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include <pm/log_index.hpp>

namespace pm {

namespace {

using namespace std::chrono_literals;

constexpr auto note_interval = 10ms; // between records of one origin
constexpr auto check_interval = 1s;  // between looks at the path
constexpr auto retry_interval = 1s;  // between attempts after a failure

constexpr char index_suffix[] = ".idx"; // as log_index_path

using path_buffer = std::array<char, PATH_MAX + sizeof(index_suffix)>;

int64_t wall_clock_us() noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

// Copies `path`, which has been opened already, so that it is short enough.
size_t copy_path(const char* path, path_buffer& out) noexcept {
  auto size = std::min(std::strlen(path), size_t{PATH_MAX} - 1);
  std::memcpy(out.data(), path, size);
  out[size] = 0;
  return size;
}

// Creates the directories above `path` that are missing.
void make_parents(const char* path) noexcept {
  path_buffer text;
  auto size = copy_path(path, text);
  for (size_t i = 1; i < size; ++i)
    if (text[i] == '/') {
      text[i] = 0;
      ::mkdir(text.data(), 0700);
      text[i] = '/';
    }
}

unique_fd open_for_writing(const char* path) noexcept {
  constexpr auto flags =
    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  auto result = beyond_stdio(::open(path, flags, 0600));
  if (!result && errno == ENOENT) {
    make_parents(path);
    result = beyond_stdio(::open(path, flags, 0600));
  }
  return result;
}

// Reads what the file cannot take, so that the child need not wait for it.
void discard(int pipe, size_t max, std::span<char> scratch,
             log_taken& result) noexcept {
  while (result.dropped < max) {
    auto count = ::read(pipe, scratch.data(),
                        std::min(max - result.dropped, scratch.size()));
    if (count <= 0) {
      result.at_end = count == 0;
      return;
    }
    result.dropped += static_cast<size_t>(count);
  }
}

} // namespace

// -- opening ------------------------------------------------------------------

void log_sink::close() noexcept {
  file_.reset();
  index_.reset();
}

bool log_sink::open(const char* path) noexcept {
  auto file = open_for_writing(path);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0)
    return false;
  file_ = std::move(file);
  is_regular_ = S_ISREG(status.st_mode);
  splices_ = is_regular_;
  offset_ = is_regular_ ? static_cast<uint64_t>(status.st_size) : 0;
  noted_at_ = {};
  if (is_regular_)
    open_index(path, offset_);
  return true;
}

void log_sink::open_index(const char* path, uint64_t size) noexcept {
  path_buffer name;
  auto end = copy_path(path, name);
  std::memcpy(name.data() + end, index_suffix, sizeof(index_suffix));
  index_ = beyond_stdio(::open(
    name.data(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat status {};
  if (!index_ || ::fstat(index_.get(), &status) != 0
      || !S_ISREG(status.st_mode)) {
    index_.reset();
    return;
  }
  constexpr auto step = sizeof(log_index_record);
  index_offset_ = static_cast<uint64_t>(status.st_size) / step * step;
  noted_offset_ = 0;
  log_index_record last;
  if (index_offset_ == 0)
    return;
  auto read = ::pread(index_.get(), &last, step,
                      static_cast<off_t>(index_offset_ - step));
  if (read != static_cast<ssize_t>(step) || last.offset > size || size == 0)
    return reset_index(); // it belongs to a file that is not here any more
  noted_offset_ = last.offset;
}

void log_sink::reset_index() noexcept {
  noted_at_ = {};
  noted_offset_ = 0;
  index_offset_ = 0;
  if (index_ && ::ftruncate(index_.get(), 0) != 0)
    index_.reset();
}

bool log_sink::was_replaced(const char* path) const noexcept {
  struct stat here {};
  struct stat there {};
  return ::fstat(file_.get(), &here) != 0 || ::lstat(path, &there) != 0
         || here.st_ino != there.st_ino || here.st_dev != there.st_dev;
}

// Makes the files ready for a chunk: open, at their path, and with the offset
// at the end, wherever others have moved it to.
bool log_sink::prepare(const char* path, steady_time now) noexcept {
  if (file_) {
    struct stat status {};
    ::fstat(file_.get(), &status);
    auto due = now - checked_at_ >= check_interval;
    if (status.st_nlink == 0 || (due && was_replaced(path))) {
      close();
    } else if (is_regular_) {
      offset_ = static_cast<uint64_t>(status.st_size);
      if (offset_ < noted_offset_)
        reset_index();
    }
    if (due)
      checked_at_ = now;
  }
  if (file_)
    return true;
  checked_at_ = now;
  return open(path);
}

void log_sink::give_up(int error, steady_time now, log_taken& result) noexcept {
  if (!in_trouble_)
    result.trouble = error;
  in_trouble_ = true;
  retry_at_ = now + retry_interval;
}

// -- moving -------------------------------------------------------------------

void log_sink::note(const log_mark& from, steady_time now) noexcept {
  if (!index_ || (noted_ == from && now - noted_at_ < note_interval))
    return;
  log_index_record record;
  record.offset = offset_;
  record.time_us = wall_clock_us();
  record.run_id = from.run;
  record.which = from.which;
  auto written = ::pwrite(index_.get(), &record, sizeof(record),
                          static_cast<off_t>(index_offset_));
  if (written != static_cast<ssize_t>(sizeof(record)))
    return; // a short index costs a time of arrival, never a byte
  index_offset_ += sizeof(record);
  noted_offset_ = offset_;
  noted_ = from;
  noted_at_ = now;
}

// No bytes have followed the record that was written last: the next one takes
// its place.
void log_sink::unnote() noexcept {
  if (noted_at_ == steady_time{} || noted_offset_ != offset_)
    return;
  index_offset_ -= sizeof(log_index_record);
  noted_at_ = {};
  if (::ftruncate(index_.get(), static_cast<off_t>(index_offset_)) != 0)
    index_.reset();
}

ssize_t log_sink::move(int pipe, size_t max, std::span<char> scratch) noexcept {
  if (splices_) {
    auto at = static_cast<loff_t>(offset_);
    auto count = ::splice(pipe, nullptr, file_.get(), &at, max,
                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (count >= 0) {
      offset_ += static_cast<uint64_t>(count);
      return count;
    }
    if (errno != EINVAL)
      return -1;
    splices_ = false; // a file system that cannot
  }
  return copy(pipe, max, scratch);
}

ssize_t log_sink::copy(int pipe, size_t max, std::span<char> scratch) noexcept {
  auto size = ::read(pipe, scratch.data(), std::min(max, scratch.size()));
  ssize_t done = 0;
  while (size > done) {
    auto rest = static_cast<size_t>(size - done);
    auto count = is_regular_
                   ? ::pwrite(file_.get(), scratch.data() + done, rest,
                              static_cast<off_t>(offset_))
                   : ::write(file_.get(), scratch.data() + done, rest);
    if (count < 0) {
      copied_short_ = rest;
      return -1;
    }
    offset_ += static_cast<uint64_t>(count);
    done += count;
  }
  return size;
}

log_taken log_sink::take(const char* path, int pipe, const log_mark& from,
                         size_t max, std::span<char> scratch) noexcept {
  log_taken result;
  auto now = std::chrono::steady_clock::now();
  if (is_paused(now)) {
    discard(pipe, max, scratch, result);
    return result;
  }
  if (!prepare(path, now)) {
    give_up(errno, now, result);
    discard(pipe, max, scratch, result);
    return result;
  }
  note(from, now);
  auto count = move(pipe, max, scratch);
  if (count > 0) {
    in_trouble_ = false;
    result.moved = static_cast<size_t>(count);
  } else if (count == 0) {
    unnote();
    result.at_end = true;
  } else {
    auto error = errno;
    unnote();
    result.dropped = std::exchange(copied_short_, 0);
    // An empty pipe is no failure, even if the child has written since.
    auto was_empty = error == EAGAIN && result.dropped == 0;
    if (!was_empty && error != EINTR) {
      give_up(error, now, result);
      discard(pipe, max, scratch, result);
    }
  }
  return result;
}

} // namespace pm
