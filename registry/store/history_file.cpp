#include "registry/store/history_file.hpp"

#include <algorithm>
#include <map>

#include "registry/store/change_codec.hpp"
#include "registry/store/journal_frame.hpp"
#include "registry/store/store_files.hpp"
#include <pm/json_fields.hpp>

namespace pm {

namespace {

const std::string file_name{files::history};
const std::string temporary_name{files::history_temporary};

// Calls `use` with each intact record of a run; gives what is not one.
struct scan_result {
  size_t end = 0;     // behind the last intact record
  size_t damaged = 0; // bytes before that which are none
};

template <class F>
scan_result scan(std::string_view bytes, F use) {
  scan_result result;
  for (size_t at = 0; at < bytes.size();) {
    auto x = decode_frame(bytes.substr(at));
    if (!x) {
      auto next = find_frame(bytes, at + 1, 0);
      if (next == std::string_view::npos)
        break;
      result.damaged += next - at;
      at = next;
      continue;
    }
    use(*x, bytes.substr(at, x->size));
    at += x->size;
    result.end = at;
  }
  return result;
}

std::optional<ended_run> run_of(const frame& x) {
  auto change = decode_change(x.type, x.payload);
  if (!change)
    return std::nullopt;
  auto* run = std::get_if<ended_run>(&*change);
  return run == nullptr ? std::nullopt : std::optional{std::move(*run)};
}

// The records in `bytes` that are kept: the newest of each process, and of a
// run that is told twice the last one.
std::string cut_to_size(const std::string& bytes,
                        const std::set<std::string_view>& known,
                        const store_limits& limits) {
  std::vector<std::pair<ended_run, std::string_view>> all;
  scan(bytes, [&](const frame& x, std::string_view whole) {
    if (auto run = run_of(x))
      all.emplace_back(std::move(*run), whole);
  });
  std::set<run_id> seen;
  std::map<std::string_view, size_t> counts;
  std::vector<std::string_view> kept;
  uint64_t size = 0;
  for (auto x = all.rbegin(); x != all.rend(); ++x) {
    auto& [run, whole] = *x;
    if (!seen.insert(run.run_id).second)
      continue;
    auto is_known = known.contains(run.handle_id);
    auto& count = counts[is_known ? std::string_view{run.handle_id} : ""];
    auto count_max = is_known ? limits.runs_per_process : limits.runs_of_gone;
    if (++count > count_max || size + whole.size() > limits.history_size_max)
      continue;
    size += whole.size();
    kept.push_back(whole);
  }
  std::string text;
  text.reserve(size);
  for (auto x = kept.rbegin(); x != kept.rend(); ++x)
    text += *x;
  return text;
}

// What a process's record begins with, to spare reading those of others.
std::string beginning_of(const std::string& handle_id) {
  return fmt::format("{{\"handle_id\":\"{}\",", handle_id);
}

} // namespace

expected<void> history_file::check(open_report& report) {
  (void)on_->remove(temporary_name);
  auto bytes = on_->read(file_name);
  if (!bytes)
    return tl::make_unexpected(bytes.error());
  if (!*bytes)
    return {};
  auto found = scan(**bytes, [](const frame&, std::string_view) {});
  size_ = size_cut_ = found.end;
  torn_ = (*bytes)->size() - found.end;
  report.bytes_cut += torn_;
  if (torn_ > 0)
    report.lines.push_back(fmt::format("{}: the last {} bytes are of a write "
                                       "that never ended, and were cut",
                                       file_name, torn_));
  if (found.damaged == 0)
    return {};
  auto names = files::aside_names(*on_, {file_name});
  if (!names)
    return tl::make_unexpected(names.error());
  kept_aside_ = names->front().kept;
  report.kept_aside.push_back(kept_aside_);
  report.lines.push_back(
    fmt::format("{}: {} bytes are damaged, the rest is used; it is kept as {}",
                file_name, found.damaged, kept_aside_));
  return {};
}

expected<void> history_file::add(const std::vector<ended_change>& runs,
                                 const std::set<std::string_view>& known) {
  auto bytes = records_of(runs);
  auto anew =
    distrusted_ || !kept_aside_.empty()
    || size_ + bytes.size() > 2 * size_cut_ + limits_.history_growth_min;
  if (bytes.empty() && !anew)
    return {};
  auto ok = anew ? write_anew(bytes, known) : append(bytes);
  distrusted_ = !ok;
  if (ok && !runs.empty())
    last_sequence_ = std::max(last_sequence_, runs.back().sequence);
  return ok;
}

// The records of what it does not have yet.
std::string
history_file::records_of(const std::vector<ended_change>& runs) const {
  std::string bytes;
  for (auto& x : runs)
    if (x.sequence > last_sequence_) {
      auto payload = to_sparse_json(*x.run);
      frame record;
      record.sequence = x.sequence;
      record.type = record_type(change{*x.run});
      record.payload = payload;
      append_frame(bytes, record);
    }
  return bytes;
}

expected<void> history_file::append(const std::string& bytes) {
  auto file = on_->open(file_name, open_mode::append);
  if (!file)
    return tl::make_unexpected(file.error());
  if (torn_ > 0)
    if (auto ok = (*file)->truncate(size_); !ok)
      return ok;
  torn_ = 0;
  if (auto ok = (*file)->append(bytes); !ok)
    return ok;
  if (auto ok = (*file)->sync(); !ok)
    return ok;
  auto is_new = size_ == 0;
  size_ += bytes.size();
  return is_new ? on_->sync_directory() : expected<void>{};
}

expected<void>
history_file::write_anew(const std::string& more,
                         const std::set<std::string_view>& known) {
  auto before = on_->read(file_name);
  if (!before)
    return tl::make_unexpected(before.error());
  auto bytes = before->value_or(std::string{});
  if (!kept_aside_.empty())
    if (auto ok = files::write_whole(*on_, kept_aside_, bytes); !ok)
      return ok;
  auto text = cut_to_size(bytes + more, known, limits_);
  if (auto ok = files::write_whole(*on_, temporary_name, text); !ok) {
    (void)on_->remove(temporary_name);
    return ok;
  }
  if (auto ok = on_->rename(temporary_name, file_name); !ok)
    return ok;
  kept_aside_.clear();
  size_ = size_cut_ = text.size();
  torn_ = 0;
  return on_->sync_directory();
}

expected<std::vector<ended_run>>
read_history(storage& on, const std::string& handle_id, size_t count_max,
             const std::vector<ended_change>& newer) {
  auto bytes = on.read(file_name);
  if (!bytes)
    return tl::make_unexpected(bytes.error());
  std::vector<ended_run> all;
  auto beginning = beginning_of(handle_id);
  if (*bytes)
    scan(**bytes, [&](const frame& x, std::string_view) {
      if (!x.payload.starts_with(beginning))
        return;
      if (auto run = run_of(x))
        all.push_back(std::move(*run));
    });
  for (auto& x : newer)
    if (x.run->handle_id == handle_id)
      all.push_back(*x.run);
  std::vector<ended_run> result;
  std::set<run_id> seen;
  for (auto x = all.rbegin(); x != all.rend() && result.size() < count_max; ++x)
    if (seen.insert(x->run_id).second)
      result.push_back(std::move(*x));
  return result;
}

} // namespace pm
