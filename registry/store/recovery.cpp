#include "registry/store/recovery.hpp"

#include <algorithm>

#include "registry/store/change_codec.hpp"
#include "registry/store/journal_frame.hpp"
#include "registry/store/snapshot_text.hpp"

namespace pm {

namespace {

class recovery {
public:
  expected<void> take_snapshot(const stored_file& file);
  void take_journal(const stored_file& file, uint64_t limit);

  recovered_registry result;

private:
  void take_group(const stored_file& file, std::vector<frame>& group,
                  uint64_t limit);
  void take_change(const stored_file& file, const frame& x);
  void skip_to(const stored_file& file, uint64_t sequence);
  void leave_out(const stored_file& file, std::vector<frame>& torn);
  void cut(const stored_file& file, size_t size);
  void damage(const stored_file& file, std::string_view what);

  template <class... Ts>
  void note(fmt::format_string<Ts...> text, Ts&&... xs) {
    result.report.lines.push_back(fmt::format(text, std::forward<Ts>(xs)...));
  }
};

void recovery::damage(const stored_file& file, std::string_view what) {
  note("{}: {}", file.name, what);
  auto& names = result.damaged;
  if (std::find(names.begin(), names.end(), file.name) == names.end())
    names.push_back(file.name);
}

void recovery::cut(const stored_file& file, size_t size) {
  result.report.bytes_cut += size;
  note("{}: the last {} bytes are of a write that never ended, and were cut",
       file.name, size);
}

expected<void> recovery::take_snapshot(const stored_file& file) {
  auto x = decode_snapshot(file.name, file.bytes);
  if (!x && x.error().code == ec::storage_failed)
    damage(file, "its contents are damaged");
  if (!x)
    return tl::make_unexpected(x.error());
  for (auto& problem : x->problems)
    damage(file, problem);
  result.generation = std::max(result.generation, x->generation);
  result.contents = std::move(x->contents);
  result.snapshot_size = file.bytes.size();
  return {};
}

// Says which changes are missing if `sequence` is not the next one.
void recovery::skip_to(const stored_file& file, uint64_t sequence) {
  auto& last = result.contents.sequence;
  if (sequence > last + 1)
    damage(file, sequence == last + 2
                   ? fmt::format("change {} is lost", last + 1)
                   : fmt::format("changes {} to {} are lost", last + 1,
                                 sequence - 1));
}

void recovery::take_change(const stored_file& file, const frame& x) {
  skip_to(file, x.sequence);
  result.contents.sequence = x.sequence;
  ++result.report.records_replayed;
  if (auto change = decode_change(x.type, x.payload))
    result.contents.apply(std::move(*change));
  else
    damage(file, fmt::format("change {} cannot be used: {}", x.sequence,
                             change.error().text));
}

// A record above `limit` was refused when it was written, and could not be
// taken away; its number went to another.
void recovery::take_group(const stored_file& file, std::vector<frame>& group,
                          uint64_t limit) {
  for (auto& x : group)
    if (x.sequence > result.contents.sequence && x.sequence <= limit)
      take_change(file, x);
  group.clear();
}

// A group of which a part is missing, and that may never have been whole.
void recovery::leave_out(const stored_file& file, std::vector<frame>& torn) {
  if (!torn.empty())
    damage(file,
           torn.size() == 1
             ? fmt::format("change {} is of a group that is not whole, and is "
                           "left out",
                           torn.front().sequence)
             : fmt::format("changes {} to {} are of a group that is not whole, "
                           "and are left out",
                           torn.front().sequence, torn.back().sequence));
  torn.clear();
}

// Where the last record behind `from` begins that says that all before it was
// durable; 0 if there is none. Damage before it came later; damage behind it
// may be a power cut that let later bytes reach the disk before earlier ones.
size_t last_settled(std::string_view bytes, size_t from, uint64_t after) {
  size_t result = 0;
  for (auto at = find_frame(bytes, from, after); at != bytes.npos;) {
    auto x = decode_frame(bytes.substr(at));
    if (x->settled)
      result = at;
    after = x->sequence;
    at = find_frame(bytes, at + x->size, after);
  }
  return result;
}

void recovery::take_journal(const stored_file& file, uint64_t limit) {
  std::string_view bytes{file.bytes};
  if (bytes.size() < journal_header_size)
    return bytes.empty() ? void() : cut(file, bytes.size());
  auto newer = false;
  size_t at = journal_header_size;
  std::optional<size_t> settled;
  std::vector<frame> torn; // of a group that may never have been whole
  auto halved = false;     // the next record may be of such a group
  if (auto header = decode_journal_header(bytes, newer)) {
    result.generation = std::max(result.generation, header->generation);
    skip_to(file, header->base + 1);
    result.contents.sequence = std::max(result.contents.sequence, header->base);
  } else {
    damage(file, "its header is damaged");
    at = std::min(find_frame(bytes, 0, 0), bytes.size());
    settled = last_settled(bytes, at, 0);
    halved = at > *settled;
  }
  uint64_t last = 0;
  std::vector<frame> group;
  size_t group_size = 0;
  while (at < bytes.size()) {
    auto x = decode_frame(bytes.substr(at));
    if (!x) {
      auto next = find_frame(bytes, at + 1, last);
      if (next == std::string_view::npos)
        break;
      damage(file, fmt::format("{} bytes at {} are damaged", next - at, at));
      if (!settled)
        settled = last_settled(bytes, next, last);
      halved = next > *settled;
      // A group that was whole once: what is left of it counts.
      if (!halved)
        take_group(file, group, limit);
      torn.insert(torn.end(), group.begin(), group.end());
      group.clear();
      group_size = 0;
      at = next;
      continue;
    }
    last = std::max(last, x->sequence);
    at += x->size;
    halved = halved && x->continued;
    if (halved) {
      torn.push_back(*x);
      continue;
    }
    leave_out(file, torn);
    group_size += x->size;
    group.push_back(*x);
    if (!x->more) {
      take_group(file, group, limit);
      group_size = 0;
    }
  }
  leave_out(file, torn);
  if (auto rest = bytes.size() - at + group_size; rest > 0)
    cut(file, rest);
}

expected<void> check_journal(const stored_file& file) {
  auto newer = false;
  decode_journal_header(file.bytes, newer);
  if (newer)
    return fail(ec::format_refused,
                "{} was written by a newer version of this program; nothing "
                "was touched",
                file.name);
  return {};
}

// What the journals behind number `from` say about the sequence number that
// is the last to count in it.
uint64_t limit_of(const std::vector<const stored_file*>& journals,
                  size_t from) {
  uint64_t limit = UINT64_MAX;
  auto newer = false;
  for (size_t i = from + 1; i < journals.size(); ++i)
    if (auto header = decode_journal_header(journals[i]->bytes, newer))
      limit = std::min(limit, header->base);
  return limit;
}

} // namespace

expected<recovered_registry> recover(const found_files& found) {
  recovery on;
  std::vector<const stored_file*> journals;
  auto usable = false;
  if (found.snapshot) {
    auto ok = on.take_snapshot(*found.snapshot);
    if (!ok && ok.error().code == ec::format_refused)
      return tl::make_unexpected(ok.error());
    usable = ok.has_value();
  }
  if (!usable && found.snapshot_before) {
    auto ok = on.take_snapshot(*found.snapshot_before);
    if (!ok && ok.error().code == ec::format_refused)
      return tl::make_unexpected(ok.error());
  }
  // With a good snapshot its predecessor's journal has nothing to add.
  if (!usable && found.journal_before)
    journals.push_back(&*found.journal_before);
  for (auto& journal : found.journals)
    journals.push_back(&journal);
  for (auto* journal : journals)
    if (auto ok = check_journal(*journal); !ok)
      return tl::make_unexpected(ok.error());
  for (size_t i = 0; i < journals.size(); ++i)
    on.take_journal(*journals[i], limit_of(journals, i));
  return std::move(on.result);
}

} // namespace pm
