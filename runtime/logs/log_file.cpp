#include "runtime/logs/log_file.hpp"

#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <pm/log_index.hpp>

#include "runtime/logs/log_segments.hpp"
#include "runtime/logs/scratch.hpp"

namespace pm {

namespace {

// Bytes of a pipe that are looked at for the end of a line.
constexpr size_t peek_max = 64u << 10;

// The last byte of a file.
char last_byte(const std::string& path, uint64_t size) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  char result = 0;
  if (!file || size == 0
      || ::pread(file.get(), &result, 1, static_cast<off_t>(size - 1)) != 1)
    return '\n';
  return result;
}

timestamp wall_clock() {
  return std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

// Two ends of a pipe for looking into others.
struct peek_pipe {
  peek_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
      read.reset(ends[0]);
      write.reset(ends[1]);
    }
  }

  unique_fd read;
  unique_fd write;
};

} // namespace

std::shared_ptr<log_file> log_table::at(const std::string& path,
                                        const log_spec& rules) {
  auto& entry = files_[path];
  auto result = entry.lock();
  if (!result) {
    result = std::make_shared<log_file>(*this, path);
    entry = result;
  }
  result->set_rules(rules);
  return result;
}

void log_table::look_after(const std::string& path, const log_spec& rules) {
  if (!work_)
    return;
  jobs_.insert_or_assign(path, rules);
  next_job();
}

void log_table::next_job() {
  if (is_working_ || jobs_.empty())
    return;
  is_working_ = true;
  auto job = jobs_.extract(jobs_.begin());
  work_([path = job.key(), rules = job.mapped()] { tidy_rotated(path, rules); },
        [this, alive = is_alive_] {
          if (!*alive)
            return;
          is_working_ = false;
          next_job();
        });
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
  sink_.close();
  enlist();
}

// Keeps the table's list of open files as it is.
void log_file::enlist() {
  if (is_listed_ && sink_.is_open()) {
    table_.used_.splice(table_.used_.begin(), table_.used_, place_);
  } else if (is_listed_) {
    table_.used_.erase(place_);
    is_listed_ = false;
  } else if (sink_.is_open()) {
    place_ = table_.used_.insert(table_.used_.begin(), this);
    is_listed_ = true;
  }
}

log_taken log_file::take(int pipe, const log_origin& from, size_t max) {
  // Room first: the limit holds at any moment.
  if (!is_listed_ && !sink_.is_paused(std::chrono::steady_clock::now()))
    while (!table_.used_.empty() && table_.used_.size() >= table_.open_max_)
      table_.used_.back()->close();
  if (is_due_)
    max = up_to_line_end(pipe, max);
  if (!sink_.is_open() && rules_.size_max)
    adopt_index(path_);
  log_mark mark{from.run_id.bytes(), static_cast<uint8_t>(from.which)};
  auto result = sink_.take(path_.c_str(), pipe, mark, max, scratch<log_file>());
  if (result.moved > 0)
    rotate_if_due();
  enlist();
  if (result.trouble != 0 && table_.on_trouble_)
    table_.on_trouble_(fmt::format(
      "log {}: {}; its output is dropped until it can be written again", path_,
      std::strerror(result.trouble)));
  return result;
}

// -- rotation -----------------------------------------------------------------

void log_file::set_rules(const log_spec& rules) {
  rules_ = rules;
}

// So many bytes of the pipe end a line, if that is in sight; else `max`.
size_t log_file::up_to_line_end(int pipe, size_t max) {
  static peek_pipe peek;
  if (!peek.read)
    return max;
  auto count =
    ::tee(pipe, peek.write.get(), std::min(max, peek_max), SPLICE_F_NONBLOCK);
  if (count <= 0)
    return max;
  auto buffer = scratch<log_file>();
  size_t done = 0;
  auto result = max;
  while (done < static_cast<size_t>(count)) {
    auto part = ::read(peek.read.get(), buffer.data(), buffer.size());
    if (part <= 0)
      break;
    std::string_view text{buffer.data(), static_cast<size_t>(part)};
    if (auto end = text.find('\n');
        end != std::string_view::npos && result == max)
      result = done + end + 1;
    done += text.size();
  }
  return result;
}

bool log_file::is_due() {
  auto size = sink_.size();
  if (size == 0)
    return false;
  if (rules_.size_max && size >= *rules_.size_max)
    return true;
  if (!rules_.rotate_every)
    return false;
  if (!born_)
    born_ = birth();
  return wall_clock() - *born_ >= *rules_.rotate_every;
}

// When the first byte of the file came, as its index knows.
timestamp log_file::birth() const {
  unique_fd index{
    ::open(log_index_path(path_).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  log_index_record first;
  if (!index || ::pread(index.get(), &first, sizeof(first), 0) != sizeof(first)
      || first.time_us <= 0)
    return wall_clock();
  return timestamp{
    std::chrono::floor<milliseconds>(std::chrono::microseconds{first.time_us})};
}

// Goes on in a new file at the end of a line: a line that is longer than the
// file may be is cut. One rename decides; what comes after it is repeated by
// the next writer if this one dies.
void log_file::rotate_if_due() {
  if (!rules_.size_max && !rules_.rotate_every)
    return;
  if (!sink_.is_regular() || !is_due())
    return;
  auto size = sink_.size();
  auto is_endless = rules_.size_max && size >= 2 * *rules_.size_max;
  is_due_ = !is_endless && last_byte(path_, size) != '\n';
  if (is_due_ || sink_.was_replaced(path_.c_str()))
    return;
  if (!base_)
    base_ = log_base(path_);
  auto to = segment_path(path_, *base_, *base_ + size);
  if (::rename(path_.c_str(), to.c_str()) != 0)
    return;
  *base_ += size;
  born_.reset();
  ::rename(log_index_path(path_).c_str(), log_index_path(to).c_str());
  sink_.close();
  table_.look_after(path_, rules_);
}

} // namespace pm
