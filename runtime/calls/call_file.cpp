#include "runtime/calls/call_file.hpp"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>

namespace pm::calls {

namespace {

constexpr std::string_view magic = "pmcall1\n";
constexpr size_t header_size = 16;

std::string header(uint64_t answer_at) {
  std::string result{magic};
  for (int i = 0; i < 8; ++i)
    result += static_cast<char>(answer_at >> (8 * i));
  return result;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// Reads `size` bytes at `at`; fewer where the file ends.
std::string read_at(int fd, uint64_t at, size_t size) {
  std::string result(size, '\0');
  size_t done = 0;
  while (done < size) {
    auto count = ::pread(fd, result.data() + done, size - done,
                         static_cast<off_t>(at + done));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      break;
    done += static_cast<size_t>(count);
  }
  result.resize(done);
  return result;
}

std::string calls_dir(const std::string& state_dir) {
  return state_dir + "/calls";
}

unique_fd create(const std::string& path) {
  constexpr auto flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  auto file = beyond_stdio(::open(path.c_str(), flags, 0600));
  if (file || errno != ENOENT)
    return file;
  ::mkdir(path.substr(0, path.rfind('/')).c_str(), 0700);
  return beyond_stdio(::open(path.c_str(), flags, 0600));
}

} // namespace

std::string call_file_path(const std::string& state_dir, const run_id& run) {
  return calls_dir(state_dir) + "/" + run.str();
}

expected<unique_fd> make_call_file(const std::string& path,
                                   std::string_view code,
                                   std::string_view body) {
  if (body.size() > body_max)
    return fail(ec::invalid_argument,
                "the arguments have {} bytes; at most {} can be passed",
                body.size(), body_max);
  auto file = create(path);
  auto failed = [&] {
    return fail(ec::storage_failed, "{}: {}", path, std::strerror(errno));
  };
  if (!file)
    return failed();
  auto frame = encode_frame(frame_kind::call, 1, body);
  auto all = header(header_size + code.size() + frame.size());
  all.append(code).append(frame);
  if (!write_all(file.get(), all)
      || ::lseek(file.get(), header_size, SEEK_SET) < 0) {
    auto error = failed();
    remove_call_file(path);
    return error;
  }
  return file;
}

expected<answer> read_call_file(const std::string& path) {
  unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file)
    return fail(ec::storage_failed, "{}: {}", path, std::strerror(errno));
  auto head = read_at(file.get(), 0, header_size);
  if (head.size() < header_size || !head.starts_with(magic))
    return fail(ec::call_failed, "the call's file was overwritten");
  uint64_t at = 0;
  for (int i = 7; i >= 0; --i)
    at = at << 8 | static_cast<uint8_t>(head[magic.size() + size_t(i)]);
  auto bytes = read_at(file.get(), at, frame_head_size);
  if (bytes.empty())
    return fail(ec::call_failed, "it ended without a result");
  struct stat status {};
  ::fstat(file.get(), &status);
  auto size = static_cast<uint64_t>(status.st_size);
  if (size > at + frame_head_size + body_max)
    return fail(ec::call_failed,
                "its result has {} bytes, more than the {} "
                "that a result may have",
                size - at, body_max);
  auto frame =
    bytes.size() < frame_head_size ? std::nullopt : decode_head(bytes);
  if (!frame || frame->kind == frame_kind::call || frame->number != 1
      || size < at + frame_head_size + frame->size)
    return fail(ec::call_failed, "what it gave as its result is none");
  return answer{frame->kind,
                read_at(file.get(), at + frame_head_size, frame->size)};
}

void remove_call_file(const std::string& path) noexcept {
  ::unlink(path.c_str());
}

void sweep_call_files(const std::string& state_dir,
                      const std::vector<run_id>& keep) {
  auto path = calls_dir(state_dir);
  std::unique_ptr<DIR, int (*)(DIR*)> dir{::opendir(path.c_str()), ::closedir};
  if (!dir)
    return;
  while (auto* entry = ::readdir(dir.get())) {
    auto run = run_id::parse(entry->d_name);
    if (run && std::find(keep.begin(), keep.end(), *run) == keep.end())
      ::unlinkat(::dirfd(dir.get()), entry->d_name, 0);
  }
}

} // namespace pm::calls
