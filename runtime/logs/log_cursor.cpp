#include <algorithm>
#include <cerrno>
#include <deque>

#include <fcntl.h>
#include <sys/stat.h>

#include <pm/log_reader.hpp>

#include "runtime/logs/line_joiner.hpp"
#include "runtime/logs/log_index_file.hpp"

namespace pm {

namespace {

constexpr size_t read_max = 256u << 10;  // bytes in one call
constexpr size_t lines_per_call = 4096;  // of those found when opening
constexpr size_t look_back_max = 65'536; // records, for a line's beginning

} // namespace

struct log_cursor::impl {
  std::string path;
  log_query query;
  unique_fd file;
  struct stat identity {};
  std::unique_ptr<log_index_file> index;
  uint64_t position = 0;
  uint64_t begin = 0; // where reading began
  line_joiner joiner;
  std::deque<log_line> waiting; // found when opening
  std::string buffer;

  expected<bool> open_file();
  expected<void> seek_start();
  expected<void> seek_last(size_t lines, uint64_t first);
  void seek(uint64_t offset);
  expected<bool> step(uint64_t limit, std::vector<log_line>& to);
  expected<bool> follow_path(std::vector<log_line>& to);
  expected<void> read_more(std::vector<log_line>& to);
  uint64_t size() const;
  char byte_at(uint64_t offset) const;
  bool continues(const log_chunk& from, uint64_t offset);
  bool is_wanted(const log_line& line) const;
  void filter(std::vector<log_line>& lines) const;
};

// Opens the file and its index; false if it is not there.
expected<bool> log_cursor::impl::open_file() {
  file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && (errno == ENOENT || errno == ENOTDIR))
    return false;
  if (!file && (errno == EACCES || errno == EPERM))
    return fail(ec::not_permitted, "log {}: permission denied", path);
  if (!file || ::fstat(file.get(), &identity) != 0)
    return fail_errno(errno, "log " + path);
  if (!S_ISREG(identity.st_mode)) {
    file.reset();
    return fail(ec::system_failed, "log {}: not a regular file", path);
  }
  index = std::make_unique<log_index_file>(path);
  seek(0);
  return true;
}

uint64_t log_cursor::impl::size() const {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0
           ? static_cast<uint64_t>(status.st_size)
           : 0;
}

char log_cursor::impl::byte_at(uint64_t offset) const {
  char result = '\n';
  if (::pread(file.get(), &result, 1, static_cast<off_t>(offset)) != 1)
    return '\n';
  return result;
}

void log_cursor::impl::seek(uint64_t offset) {
  position = begin = offset;
  joiner.clear();
}

// True if the first bytes of their run and stream that were read, at `offset`,
// belong to a line that began before `begin`.
bool log_cursor::impl::continues(const log_chunk& from, uint64_t offset) {
  if (begin == 0)
    return false;
  if (!from.which || from.begin < offset)
    return byte_at(offset - 1) != '\n';
  auto i = index->covering(begin - 1);
  if (!i)
    return false;
  auto last = *i > look_back_max ? *i - look_back_max : 0;
  for (auto at = *i + 1; at > last; --at) {
    auto chunk = index->chunk(at - 1);
    if (chunk.which == from.which && chunk.run_id == from.run_id
        && chunk.begin < std::min(chunk.end, begin))
      return byte_at(std::min(chunk.end, begin) - 1) != '\n';
  }
  return false;
}

bool log_cursor::impl::is_wanted(const log_line& line) const {
  if (query.only && line.which && *line.which != *query.only)
    return false;
  return !query.since || !line.time || *line.time >= *query.since;
}

void log_cursor::impl::filter(std::vector<log_line>& lines) const {
  std::erase_if(lines, [&](auto& line) { return !is_wanted(line); });
}

// Reads one chunk, or a part of it, below `limit`; false if nothing is there.
expected<bool> log_cursor::impl::step(uint64_t limit,
                                      std::vector<log_line>& to) {
  if (position >= limit)
    return false;
  log_chunk from;
  from.end = UINT64_MAX;
  if (auto i = index->covering(position))
    from = index->chunk(*i);
  else if (index->size() > 0)
    from.end = index->at(0).offset;
  auto wanted =
    std::min<uint64_t>({limit - position, from.end - position, read_max});
  buffer.resize(wanted);
  auto count =
    ::pread(file.get(), buffer.data(), wanted, static_cast<off_t>(position));
  if (count < 0)
    return fail_errno(errno, "log " + path);
  if (count == 0)
    return false;
  auto offset = position;
  position += static_cast<uint64_t>(count);
  joiner.feed(
    from, offset, {buffer.data(), static_cast<size_t>(count)},
    [this](auto& chunk, uint64_t at) { return continues(chunk, at); }, to);
  return true;
}

// Reads on for some hundred KiB, further only until there is a line.
expected<void> log_cursor::impl::read_more(std::vector<log_line>& to) {
  if (!file)
    return {};
  auto end = size(); // before the index: a record comes before its bytes
  index->refresh();
  auto soon = std::min<uint64_t>(end, position + read_max);
  while (position < soon || (to.empty() && position < end)) {
    auto more = step(end, to);
    if (!more)
      return tl::make_unexpected(more.error());
    if (!*more)
      break;
    filter(to);
  }
  return {};
}

expected<void> log_cursor::impl::seek_start() {
  uint64_t first = 0;
  if (query.since && index->size() > 0) {
    auto since = std::chrono::duration_cast<std::chrono::microseconds>(
      query.since->time_since_epoch());
    auto i = index->since(since.count());
    first = i == 0 ? 0 : index->at(i).offset;
    if (first > size())
      first = 0; // damaged, or of another file
  }
  if (query.lines)
    return seek_last(*query.lines, first);
  seek(first);
  return {};
}

// Reads the end of the file, in growing windows, until it has enough lines.
expected<void> log_cursor::impl::seek_last(size_t lines, uint64_t first) {
  auto end = std::max(size(), first);
  for (uint64_t window = read_max;; window *= 8) {
    seek(end - first > window ? end - window : first);
    waiting.clear();
    for (;;) {
      std::vector<log_line> found;
      auto more = step(end, found);
      if (!more)
        return tl::make_unexpected(more.error());
      if (!*more)
        break;
      filter(found);
      std::move(found.begin(), found.end(), std::back_inserter(waiting));
      while (waiting.size() > lines)
        waiting.pop_front();
    }
    auto open = std::min(joiner.open_count(), lines);
    if (waiting.size() + open >= lines || begin == first) {
      while (waiting.size() + open > lines)
        waiting.pop_front();
      return {};
    }
  }
}

// Goes over to the file that is at the path now, if it is another one; what
// the old one has left open comes first. False: it is the same.
expected<bool> log_cursor::impl::follow_path(std::vector<log_line>& to) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return false;
  auto is_same = file && status.st_ino == identity.st_ino
                 && status.st_dev == identity.st_dev;
  if (is_same && static_cast<uint64_t>(status.st_size) >= position)
    return false;
  joiner.flush(to);
  filter(to);
  return open_file();
}

// -- public face --------------------------------------------------------------

log_cursor::log_cursor(std::unique_ptr<impl> owned) noexcept
  : impl_(std::move(owned)) {}

log_cursor::log_cursor(log_cursor&&) noexcept = default;

log_cursor& log_cursor::operator=(log_cursor&&) noexcept = default;

log_cursor::~log_cursor() = default;

expected<log_cursor> log_cursor::open(std::string path,
                                      const log_query& query) {
  auto x = std::make_unique<impl>();
  x->path = std::move(path);
  x->query = query;
  auto opened = x->open_file();
  if (!opened)
    return tl::make_unexpected(opened.error());
  if (*opened)
    if (auto done = x->seek_start(); !done)
      return tl::make_unexpected(done.error());
  return log_cursor{std::move(x)};
}

expected<std::vector<log_line>> log_cursor::read_new() {
  auto& x = *impl_;
  std::vector<log_line> result;
  while (!x.waiting.empty() && result.size() < lines_per_call) {
    result.push_back(std::move(x.waiting.front()));
    x.waiting.pop_front();
  }
  if (!result.empty())
    return result;
  for (auto is_new = true; is_new && result.empty();) {
    if (auto read = x.read_more(result); !read)
      return tl::make_unexpected(read.error());
    if (!result.empty())
      break;
    auto followed = x.follow_path(result);
    if (!followed)
      return tl::make_unexpected(followed.error());
    is_new = *followed;
  }
  return result;
}

std::vector<log_line> log_cursor::flush() {
  std::vector<log_line> result;
  impl_->joiner.flush(result);
  impl_->filter(result);
  return result;
}

bool log_cursor::exists() const noexcept {
  return static_cast<bool>(impl_->file);
}

const std::string& log_cursor::path() const noexcept {
  return impl_->path;
}

} // namespace pm
