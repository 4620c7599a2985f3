#include "runtime/logs/log_cursor_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <utility>

namespace pm {

namespace {

constexpr size_t read_max = 256u << 10;  // bytes in one call
constexpr size_t look_back_max = 65'536; // records, for a line's beginning

} // namespace

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
  if (query.since_offset && line.offset < *query.since_offset)
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
  auto first_new = to.size();
  joiner.feed(
    from, offset, {buffer.data(), static_cast<size_t>(count)},
    [this](auto& chunk, uint64_t at) { return continues(chunk, at); }, to);
  for (auto i = first_new; i < to.size(); ++i)
    to[i].offset += base;
  return true;
}

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
  if (query.since_offset && *query.since_offset > base)
    first = std::min(*query.since_offset - base, size());
  if (query.since && index->size() > 0) {
    auto since = std::chrono::duration_cast<std::chrono::microseconds>(
      query.since->time_since_epoch());
    auto i = index->since(since.count());
    auto known = i == 0 ? 0 : index->at(i).offset;
    if (known <= size()) // else damaged, or of another file
      first = std::max(first, known);
  }
  if (query.lines && !is_segment)
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

void log_cursor::impl::flush(std::vector<log_line>& to) {
  auto first_new = to.size();
  joiner.flush(to);
  for (auto i = first_new; i < to.size(); ++i)
    to[i].offset += base;
  filter(to);
}

// -- files --------------------------------------------------------------------

// Opens the file at the path with its number, and lists those before it;
// false if it is not there.
expected<bool> log_cursor::impl::open_own() {
  for (int attempts = 0;; ++attempts) {
    is_segment = false;
    auto opened = open_file();
    if (!opened)
      return opened;
    auto all = find_segments(path);
    struct stat now {};
    auto is_there = ::stat(path.c_str(), &now) == 0;
    auto is_same = *opened ? is_there && now.st_ino == identity.st_ino
                               && now.st_dev == identity.st_dev
                           : !is_there;
    if (!is_same && attempts < 10)
      continue; // rotated in between
    base = all.empty() ? 0 : all.back().end;
    ahead.assign(all.begin(), all.end());
    return opened;
  }
}

expected<void> log_cursor::impl::open_rotated(const log_segment& x) {
  auto opened = open_segment(x);
  if (!opened)
    return tl::make_unexpected(opened.error());
  file = std::move(*opened);
  is_segment = true;
  base = x.begin;
  identity = {};
  index = std::make_unique<log_index_file>(x.path);
  seek(0);
  return {};
}

expected<void> log_cursor::impl::open_next() {
  while (!ahead.empty()) {
    auto next = std::move(ahead.front());
    ahead.pop_front();
    // One that retention has removed meanwhile is passed over.
    if (auto opened = open_rotated(next); opened)
      return seek_start();
  }
  auto read_up_to = is_segment ? base + size() : 0;
  auto opened = open_own();
  if (!opened)
    return tl::make_unexpected(opened.error());
  // What was rotated while the others were read comes first.
  std::erase_if(ahead, [&](auto& x) { return x.begin < read_up_to; });
  if (!ahead.empty())
    return open_next();
  return {};
}

expected<void> log_cursor::impl::open() {
  auto opened = open_own();
  if (!opened)
    return tl::make_unexpected(opened.error());
  std::erase_if(ahead, [&](auto& x) {
    if (query.since_offset && x.end <= *query.since_offset)
      return true;
    return query.since
           && x.modified_us
                < std::chrono::duration_cast<std::chrono::microseconds>(
                    query.since->time_since_epoch())
                    .count();
  });
  if (*opened)
    if (auto done = seek_start(); !done)
      return done;
  if (query.lines)
    return look_back(*query.lines);
  return ahead.empty() ? expected<void>{} : open_next();
}

// Takes the lines that are missing from the rotated files.
expected<void> log_cursor::impl::look_back(size_t lines) {
  auto older = std::exchange(ahead, {});
  while (!older.empty()) {
    auto have = waiting.size() + joiner.open_count();
    if (have >= lines)
      break;
    impl before;
    before.path = path;
    before.query = query;
    if (auto opened = before.open_rotated(older.back()); opened) {
      if (auto done = before.seek_last(lines - have, 0); !done)
        return done;
      std::vector<log_line> rest;
      before.flush(rest);
      std::move(rest.begin(), rest.end(), std::back_inserter(before.waiting));
      waiting.insert(waiting.begin(),
                     std::make_move_iterator(before.waiting.begin()),
                     std::make_move_iterator(before.waiting.end()));
    }
    older.pop_back();
  }
  return {};
}

expected<bool> log_cursor::impl::advance(std::vector<log_line>& to) {
  if (is_segment) {
    flush(to);
    if (auto opened = open_next(); !opened)
      return tl::make_unexpected(opened.error());
    return true;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return false;
  auto is_same = file && status.st_ino == identity.st_ino
                 && status.st_dev == identity.st_dev;
  if (is_same && static_cast<uint64_t>(status.st_size) >= position)
    return false;
  if (!is_same) // it may have got more before it was rotated
    if (auto read = read_more(to); !read || !to.empty())
      return read ? expected<bool>{true} : tl::make_unexpected(read.error());
  flush(to);
  auto was_at = base + position;
  auto had_file = static_cast<bool>(file);
  auto opened = open_own();
  if (!opened)
    return opened;
  // After the file that was read; a deleted log begins anew.
  std::erase_if(ahead, [&](auto& x) { return !had_file || x.begin < was_at; });
  if (!ahead.empty())
    if (auto next = open_next(); !next)
      return tl::make_unexpected(next.error());
  return true;
}

} // namespace pm
