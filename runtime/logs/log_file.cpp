#include "runtime/logs/log_file.hpp"

#include <cstring>

#include <fmt/format.h>

#include "runtime/logs/scratch.hpp"

namespace pm {

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
  log_mark mark{from.run_id.bytes(), static_cast<uint8_t>(from.which)};
  auto result = sink_.take(path_.c_str(), pipe, mark, max, scratch<log_file>());
  enlist();
  if (result.trouble != 0 && table_.on_trouble_)
    table_.on_trouble_(fmt::format(
      "log {}: {}; its output is dropped until it can be written again", path_,
      std::strerror(result.trouble)));
  return result;
}

} // namespace pm
