#include "runtime/logs/log_file.hpp"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/logs/scratch.hpp"

namespace pm {

namespace {

using namespace std::chrono_literals;

constexpr auto note_interval = 10ms; // between records of one origin
constexpr auto check_interval = 1s;  // between looks at the path
constexpr auto retry_interval = 1s;  // between attempts after a failure

int64_t wall_clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

// Creates the directories above `path` that are missing.
void make_parents(const std::string& path) {
  for (auto at = path.find('/', 1); at != std::string::npos;
       at = path.find('/', at + 1))
    ::mkdir(path.substr(0, at).c_str(), 0700);
}

unique_fd open_for_writing(const std::string& path) {
  constexpr auto flags =
    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  unique_fd result{::open(path.c_str(), flags, 0600)};
  if (!result && errno == ENOENT) {
    make_parents(path);
    result.reset(::open(path.c_str(), flags, 0600));
  }
  return result;
}

} // namespace

// -- table --------------------------------------------------------------------

std::shared_ptr<log_file> log_table::at(const std::string& path) {
  auto& entry = files_[path];
  auto result = entry.lock();
  if (!result) {
    result = std::make_shared<log_file>(*this, path);
    entry = result;
  }
  return result;
}

log_file::log_file(log_table& table, std::string path)
  : table_(table), path_(std::move(path)) {}

log_file::~log_file() {
  close();
  auto found = table_.files_.find(path_);
  if (found != table_.files_.end() && found->second.expired())
    table_.files_.erase(found);
}

void log_file::close() noexcept {
  if (!file_)
    return;
  file_.reset();
  index_.reset();
  table_.used_.erase(place_);
}

// -- opening ------------------------------------------------------------------

bool log_file::open() {
  auto file = open_for_writing(path_);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0)
    return false;
  while (table_.used_.size() >= table_.open_max_)
    table_.used_.back()->close();
  file_ = std::move(file);
  place_ = table_.used_.insert(table_.used_.begin(), this);
  is_regular_ = S_ISREG(status.st_mode);
  splices_ = is_regular_;
  offset_ = is_regular_ ? static_cast<uint64_t>(status.st_size) : 0;
  noted_at_ = {};
  if (is_regular_)
    open_index(offset_);
  return true;
}

void log_file::open_index(uint64_t size) {
  auto path = log_index_path(path_);
  index_.reset(::open(path.c_str(),
                      O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                      0600));
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

void log_file::reset_index() {
  noted_at_ = {};
  noted_offset_ = 0;
  index_offset_ = 0;
  if (index_ && ::ftruncate(index_.get(), 0) != 0)
    index_.reset();
}

bool log_file::was_replaced() const {
  struct stat here {};
  struct stat there {};
  return ::fstat(file_.get(), &here) != 0 || ::lstat(path_.c_str(), &there) != 0
         || here.st_ino != there.st_ino || here.st_dev != there.st_dev;
}

// Makes the files ready for a chunk: open, at their path, and with the offset
// at the end, wherever others have moved it to.
bool log_file::prepare(steady_time now) {
  if (in_trouble_ && now < retry_at_)
    return false;
  if (file_) {
    table_.used_.splice(table_.used_.begin(), table_.used_, place_);
    struct stat status {};
    ::fstat(file_.get(), &status);
    auto due = now - checked_at_ >= check_interval;
    if (status.st_nlink == 0 || (due && was_replaced())) {
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
  if (open())
    return true;
  give_up(errno, now);
  return false;
}

void log_file::give_up(int error, steady_time now) {
  if (!in_trouble_ && table_.on_trouble_)
    table_.on_trouble_(fmt::format(
      "log {}: {}; its output is dropped until it can be written again", path_,
      std::strerror(error)));
  in_trouble_ = true;
  retry_at_ = now + retry_interval;
}

// -- moving -------------------------------------------------------------------

void log_file::note(const log_origin& from, steady_time now) {
  if (!index_ || (noted_ == from && now - noted_at_ < note_interval))
    return;
  log_index_record record;
  record.offset = offset_;
  record.time_us = wall_clock_us();
  record.run_id = from.run_id.bytes();
  record.which = static_cast<uint8_t>(from.which);
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
void log_file::unnote() {
  if (noted_at_ == steady_time{} || noted_offset_ != offset_)
    return;
  index_offset_ -= sizeof(log_index_record);
  noted_at_ = {};
  if (::ftruncate(index_.get(), static_cast<off_t>(index_offset_)) != 0)
    index_.reset();
}

ssize_t log_file::move(int pipe, size_t max) {
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
  return copy(pipe, max);
}

ssize_t log_file::copy(int pipe, size_t max) {
  auto buffer = scratch<log_file>();
  auto size = ::read(pipe, buffer.data(), std::min(max, buffer.size()));
  ssize_t done = 0;
  while (size > done) {
    auto rest = static_cast<size_t>(size - done);
    auto count = is_regular_ ? ::pwrite(file_.get(), buffer.data() + done, rest,
                                        static_cast<off_t>(offset_))
                             : ::write(file_.get(), buffer.data() + done, rest);
    if (count < 0) {
      copied_short_ = rest;
      return -1;
    }
    offset_ += static_cast<uint64_t>(count);
    done += count;
  }
  return size;
}

// Reads what the file cannot take, so that the child need not wait for it.
void log_file::discard(int pipe, size_t max, log_taken& result) {
  auto buffer = scratch<log_file>();
  while (result.dropped < max) {
    auto count = ::read(pipe, buffer.data(),
                        std::min(max - result.dropped, buffer.size()));
    if (count <= 0) {
      result.at_end = count == 0;
      return;
    }
    result.dropped += static_cast<size_t>(count);
  }
}

log_taken log_file::take(int pipe, const log_origin& from, size_t max) {
  log_taken result;
  auto now = std::chrono::steady_clock::now();
  if (!prepare(now)) {
    discard(pipe, max, result);
    return result;
  }
  note(from, now);
  auto count = move(pipe, max);
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
      give_up(error, now);
      discard(pipe, max, result);
    }
  }
  return result;
}

} // namespace pm
