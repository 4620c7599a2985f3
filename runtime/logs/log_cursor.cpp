#include "runtime/logs/log_cursor_impl.hpp"

namespace pm {

namespace {

constexpr size_t lines_per_call = 4096; // of those found when opening

} // namespace

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
  if (auto done = x->open(); !done)
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
    auto followed = x.advance(result);
    if (!followed)
      return tl::make_unexpected(followed.error());
    is_new = *followed;
  }
  return result;
}

std::vector<log_line> log_cursor::flush() {
  std::vector<log_line> result;
  impl_->flush(result);
  return result;
}

bool log_cursor::exists() const noexcept {
  return static_cast<bool>(impl_->file);
}

const std::string& log_cursor::path() const noexcept {
  return impl_->path;
}

} // namespace pm
