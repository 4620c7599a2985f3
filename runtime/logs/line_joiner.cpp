#include "runtime/logs/line_joiner.hpp"

#include <algorithm>

namespace pm {

void line_joiner::feed(const log_chunk& from, uint64_t offset,
                       std::string_view bytes, const continues_fn& continues,
                       std::vector<log_line>& to) {
  auto number = from.which ? static_cast<uint8_t>(*from.which) : uint8_t{255};
  auto [found, is_new] = parts_.try_emplace(key{from.run_id, number});
  auto& x = found->second;
  if (is_new) {
    x.is_skipping = continues(from, offset);
    // A new run: what others have left open is not likely to be continued.
    auto same_run = [&](auto& entry) {
      return entry.first.first == from.run_id;
    };
    if (std::count_if(parts_.begin(), parts_.end(), same_run) == 1)
      flush(to);
  }
  while (!bytes.empty()) {
    if (!x.is_open && !x.is_skipping) {
      x.line = {};
      x.line.offset = offset;
      x.line.which = from.which;
      x.line.run_id = from.run_id;
      x.line.time_us = from.time_us;
      if (from.which)
        x.line.time = timestamp{std::chrono::floor<milliseconds>(
          std::chrono::microseconds{from.time_us})};
      x.is_open = true;
    }
    auto newline = bytes.find('\n');
    auto is_end = newline != std::string_view::npos;
    auto taken = is_end ? newline : bytes.size();
    if (!x.is_skipping) {
      auto room = log_line_max - x.line.text.size();
      if (taken > room) {
        taken = room;
        is_end = false;
      }
      x.line.text.append(bytes.substr(0, taken));
      if (is_end || x.line.text.size() >= log_line_max) {
        to.push_back(std::move(x.line));
        x.is_open = false;
      }
    }
    if (is_end)
      x.is_skipping = false;
    auto step = taken + (is_end ? 1 : 0);
    bytes.remove_prefix(step);
    offset += step;
  }
}

void line_joiner::flush(std::vector<log_line>& to) {
  auto first = to.size();
  for (auto& [key, x] : parts_) {
    if (!x.is_open)
      continue;
    x.line.complete = false;
    to.push_back(std::move(x.line));
    x.is_open = false;
  }
  std::sort(to.begin() + static_cast<ptrdiff_t>(first), to.end(),
            [](auto& a, auto& b) { return a.offset < b.offset; });
}

size_t line_joiner::open_count() const {
  return static_cast<size_t>(
    std::count_if(parts_.begin(), parts_.end(),
                  [](auto& entry) { return entry.second.is_open; }));
}

} // namespace pm
