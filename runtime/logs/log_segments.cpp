#include "runtime/logs/log_segments.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include <pm/log_index.hpp>

namespace pm {

namespace {

constexpr std::string_view compressed_suffix = ".gz";
constexpr std::string_view unfinished_suffix = ".gz.tmp";
constexpr size_t piece = 256u << 10;

struct gz_close {
  void operator()(gzFile file) const { ::gzclose(file); }
};

using gz_file = std::unique_ptr<std::remove_pointer_t<gzFile>, gz_close>;

// Splits a path into its directory and the rest.
std::pair<std::string, std::string> split(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos)
    return {".", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

bool read_number(std::string_view& text, uint64_t& to) {
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, to);
  if (read.ec != std::errc{})
    return false;
  text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  return true;
}

// Reads "<begin>-<end>" and what follows it.
bool read_range(std::string_view& text, log_segment& to) {
  if (!read_number(text, to.begin) || !text.starts_with('-'))
    return false;
  text.remove_prefix(1);
  return read_number(text, to.end) && to.end >= to.begin;
}

int64_t modified_us(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return 0;
  return status.st_mtim.tv_sec * int64_t{1'000'000}
         + status.st_mtim.tv_nsec / 1000;
}

void remove_file(const std::string& path) {
  ::unlink(path.c_str());
}

bool write_all(int fd, const char* from, size_t size) {
  while (size > 0) {
    auto count = ::write(fd, from, size);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    from += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

// Writes the compressed copy of `from`, whole and on disk, or nothing.
bool compress(const std::string& from, const std::string& to) {
  unique_fd in{::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  auto out = beyond_stdio(::open(
    to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  auto copy = ::fcntl(out.get(), F_DUPFD_CLOEXEC, 3);
  if (!in || copy < 0)
    return false;
  gz_file zip{::gzdopen(copy, "wb6")};
  if (!zip)
    return false;
  std::string buffer(piece, '\0');
  for (;;) {
    auto count = ::read(in.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    if (count == 0)
      break;
    if (::gzwrite(zip.get(), buffer.data(), static_cast<unsigned>(count))
        != count)
      return false;
  }
  return ::gzclose(zip.release()) == Z_OK && ::fsync(out.get()) == 0;
}

// The compressed file gets the times of the plain one: its age counts.
void keep_times(const std::string& from, const std::string& to) {
  struct stat status {};
  if (::stat(from.c_str(), &status) != 0)
    return;
  std::array<timespec, 2> times{status.st_atim, status.st_mtim};
  ::utimensat(AT_FDCWD, to.c_str(), times.data(), 0);
}

void compress_segment(const log_segment& x) {
  auto unfinished = x.path + std::string{unfinished_suffix};
  auto done = x.path + std::string{compressed_suffix};
  if (!compress(x.path, unfinished))
    return remove_file(unfinished); // it stays plain until the next time
  keep_times(x.path, unfinished);
  if (::rename(unfinished.c_str(), done.c_str()) == 0)
    remove_file(x.path);
}

void remove_segment(const log_segment& x) {
  remove_file(x.path);
  remove_file(x.path + std::string{compressed_suffix});
  remove_file(log_index_path(x.path));
}

// The newest name stays, empty: it says how far the numbers are.
void empty_segment(const log_segment& x) {
  unique_fd file{::open(x.path.c_str(),
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                        0600)};
  remove_file(x.path + std::string{compressed_suffix});
  remove_file(log_index_path(x.path));
}

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
           std::chrono::system_clock::now().time_since_epoch())
    .count();
}

} // namespace

std::string segment_path(const std::string& path, uint64_t begin,
                         uint64_t end) {
  return fmt::format("{}.{}-{}", path, begin, end);
}

std::vector<log_segment> find_segments(const std::string& path) {
  auto [folder, name] = split(path);
  std::map<std::pair<uint64_t, uint64_t>, log_segment> found;
  std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(folder.c_str()),
                                          ::closedir};
  while (dir) {
    auto* entry = ::readdir(dir.get());
    if (entry == nullptr)
      break;
    std::string_view text = entry->d_name;
    if (!text.starts_with(name) || !text.substr(name.size()).starts_with('.'))
      continue;
    text.remove_prefix(name.size() + 1);
    log_segment x;
    if (!read_range(text, x) || !(text.empty() || text == compressed_suffix))
      continue;
    x.is_compressed = !text.empty();
    x.path = segment_path(path, x.begin, x.end);
    x.modified_us = modified_us(
      x.path + std::string{x.is_compressed ? compressed_suffix : ""});
    auto [at, is_new] = found.try_emplace({x.begin, x.end}, x);
    if (!is_new && !x.is_compressed)
      at->second = x; // both are there: they say the same
  }
  std::vector<log_segment> result;
  for (auto& [range, x] : found)
    result.push_back(std::move(x));
  return result;
}

uint64_t log_base(const std::string& path) {
  uint64_t result = 0;
  for (auto& x : find_segments(path))
    result = std::max(result, x.end);
  return result;
}

void adopt_index(const std::string& path) {
  struct stat status {};
  auto index = log_index_path(path);
  if (::stat(path.c_str(), &status) == 0 || ::stat(index.c_str(), &status) != 0)
    return;
  auto all = find_segments(path);
  if (all.empty() || all.back().is_compressed)
    return;
  auto its_index = log_index_path(all.back().path);
  if (::stat(its_index.c_str(), &status) != 0)
    ::rename(index.c_str(), its_index.c_str());
}

void tidy_rotated(const std::string& path, const log_spec& rules) {
  auto all = find_segments(path);
  auto oldest_us =
    rules.age_max ? now_us()
                      - std::chrono::duration_cast<std::chrono::microseconds>(
                          *rules.age_max)
                          .count()
                  : INT64_MIN;
  auto keep = static_cast<size_t>(std::max(rules.files_max, 1));
  for (size_t i = 0; i < all.size(); ++i) {
    auto& x = all[i];
    auto is_last = i + 1 == all.size();
    auto is_old = x.modified_us < oldest_us;
    if (all.size() - i > keep || (is_old && !is_last))
      remove_segment(x);
    else if (is_old)
      empty_segment(x);
    else if (!x.is_compressed && x.end > x.begin
             && rules.compress == compression::gzip)
      compress_segment(x);
  }
}

expected<unique_fd> open_segment(const log_segment& x) {
  if (!x.is_compressed) {
    unique_fd file{::open(x.path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file)
      return file;
    if (errno != ENOENT)
      return fail_errno(errno, "log " + x.path);
  }
  auto path = x.path + std::string{compressed_suffix};
  gz_file zip{::gzopen(path.c_str(), "rbe")};
  unique_fd result{::memfd_create("pm-log", MFD_CLOEXEC)};
  if (!zip || !result)
    return fail_errno(errno, "log " + path);
  std::string buffer(piece, '\0');
  for (;;) {
    auto count =
      ::gzread(zip.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    if (count < 0)
      return fail(ec::system_failed, "log {}: it is damaged", path);
    if (count == 0)
      return result;
    if (!write_all(result.get(), buffer.data(), static_cast<size_t>(count)))
      return fail_errno(errno, "log " + path);
  }
}

} // namespace pm
