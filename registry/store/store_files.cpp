#include "registry/store/store_files.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

namespace pm::files {

namespace {

// The number in "processes.journal.next.17"; none for every other name.
std::optional<uint64_t> number_of(std::string_view name) noexcept {
  if (!name.starts_with(journal_next))
    return std::nullopt;
  name.remove_prefix(journal_next.size());
  uint64_t number = 0;
  auto* last = name.data() + name.size();
  auto [end, error] = std::from_chars(name.data(), last, number);
  return error == std::errc{} && end == last && !name.empty()
           ? std::optional{number}
           : std::nullopt;
}

constexpr std::string_view aside_mark = ".corrupt-";

// What orders the files of one name that were kept aside: when, and the number
// behind that, which tells those of one moment apart.
struct aside_age {
  std::string time;
  uint64_t number = 0;
  std::string name; // of the file

  auto operator<=>(const aside_age&) const = default;
};

aside_age age_of(const std::string& name, size_t mark) {
  auto when = name.substr(mark + aside_mark.size());
  auto dash = std::min(when.find('-'), when.size());
  aside_age x{when.substr(0, dash), 0, name};
  if (dash < when.size())
    std::from_chars(when.data() + dash + 1, when.data() + when.size(),
                    x.number);
  return x;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

expected<std::optional<stored_file>> read_one(storage& on,
                                              std::string_view name) {
  auto bytes = on.read(std::string{name});
  if (!bytes)
    return tl::make_unexpected(bytes.error());
  if (!*bytes)
    return std::nullopt;
  return stored_file{std::string{name}, std::move(**bytes)};
}

// Where `name` is among the damaged ones.
std::vector<aside>::iterator find(std::vector<aside>& damaged,
                                  std::string_view name) {
  return std::find_if(damaged.begin(), damaged.end(),
                      [&](const aside& x) { return x.name == name; });
}

// Takes the file `name` away: under its other name if it is damaged, else to
// `successor`, else for good.
expected<void> take_away(storage& on, std::string_view name,
                         std::string_view successor,
                         std::vector<aside>& damaged) {
  if (auto x = find(damaged, name); x != damaged.end()) {
    if (auto ok = on.rename(x->name, x->kept); !ok)
      return ok;
    damaged.erase(x);
    return {};
  }
  if (successor.empty())
    return on.remove(std::string{name});
  return on.rename(std::string{name}, std::string{successor});
}

} // namespace

std::string next_journal(uint64_t generation) {
  return fmt::format("{}{}", journal_next, generation);
}

expected<found_files> read_all(storage& on, uint64_t& generation) {
  auto names = on.list();
  if (!names)
    return tl::make_unexpected(names.error());
  found_files found;
  for (auto [name, to] : {std::pair{snapshot, &found.snapshot},
                          std::pair{snapshot_before, &found.snapshot_before},
                          std::pair{journal_before, &found.journal_before}}) {
    auto file = read_one(on, name);
    if (!file)
      return tl::make_unexpected(file.error());
    *to = std::move(*file);
  }
  // The lasting name is the oldest, the others follow by number.
  std::vector<std::pair<uint64_t, std::string_view>> order{{0, journal}};
  for (auto& name : *names)
    if (auto number = number_of(name))
      order.emplace_back(*number, name);
  std::sort(order.begin() + 1, order.end());
  generation = order.back().first;
  for (auto& [number, name] : order) {
    auto file = read_one(on, name);
    if (!file)
      return tl::make_unexpected(file.error());
    if (*file)
      found.journals.push_back(std::move(**file));
  }
  return found;
}

expected<void> write_whole(storage& on, const std::string& name,
                           std::string_view bytes) {
  auto file = on.open(name, open_mode::replace);
  if (!file)
    return tl::make_unexpected(file.error());
  if (auto ok = (*file)->append(bytes); !ok)
    return ok;
  return (*file)->sync();
}

expected<std::vector<aside>>
aside_names(storage& on, const std::vector<std::string>& damaged) {
  std::vector<aside> result;
  if (damaged.empty())
    return result;
  auto names = on.list();
  if (!names)
    return tl::make_unexpected(names.error());
  auto time = format_timestamp(on.now());
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  for (auto& name : damaged) {
    auto kept = fmt::format("{}.corrupt-{}", name, time);
    // Above all others of this moment: a lower one may have been removed.
    uint64_t highest = 0;
    for (auto& other : *names)
      if (other.starts_with(kept))
        highest =
          std::max({highest, uint64_t{1}, age_of(other, name.size()).number});
    if (highest > 0)
      kept += fmt::format("-{}", highest + 1);
    result.push_back({name, kept});
  }
  return result;
}

expected<void> put_snapshot(storage& on, std::string_view text,
                            std::vector<aside>& damaged) {
  const std::string temporary{snapshot_temporary};
  if (auto ok = write_whole(on, temporary, text); !ok) {
    // On a full disk its bytes are in the way of everything else.
    (void)on.remove(temporary);
    return ok;
  }
  auto names = on.list();
  if (!names)
    return tl::make_unexpected(names.error());
  if (auto x = find(damaged, snapshot); x != damaged.end()) {
    // Copied, since parts of it may be in use until the new one stands; and
    // the one before it stays what recovery falls back on.
    auto file = read_one(on, snapshot);
    if (!file)
      return tl::make_unexpected(file.error());
    if (*file)
      if (auto ok = write_whole(on, x->kept, (*file)->bytes); !ok)
        return ok;
    damaged.erase(x);
  } else if (has(*names, snapshot)) {
    if (auto ok = take_away(on, snapshot, snapshot_before, damaged); !ok)
      return ok;
  }
  if (auto ok = on.rename(temporary, std::string{snapshot}); !ok)
    return ok;
  return on.sync_directory();
}

expected<void> retire_journals(storage& on, const std::string& newest,
                               std::vector<aside>& damaged) {
  auto names = on.list();
  if (!names)
    return tl::make_unexpected(names.error());
  // First what is damaged of the generation before: its name is wanted.
  for (auto name : {snapshot_before, journal_before})
    if (find(damaged, name) != damaged.end() && has(*names, name))
      if (auto ok = take_away(on, name, {}, damaged); !ok)
        return ok;
  for (auto& name : *names) {
    if (name == newest || (name != journal && !number_of(name)))
      continue;
    auto successor = name == journal ? journal_before : std::string_view{};
    if (auto ok = take_away(on, name, successor, damaged); !ok)
      return ok;
  }
  if (newest != journal)
    if (auto ok = on.rename(newest, std::string{journal}); !ok)
      return ok;
  return on.sync_directory();
}

void drop_oldest_aside(storage& on) {
  auto names = on.list();
  if (!names)
    return;
  std::map<std::string, std::vector<aside_age>> by_name;
  for (auto& name : *names)
    if (auto mark = name.find(aside_mark); mark != name.npos) {
      auto base = name.substr(0, mark);
      if (number_of(base))
        base = journal_next;
      by_name[base].push_back(age_of(name, mark));
    }
  for (auto& [base, files] : by_name) {
    std::sort(files.begin(), files.end(), std::greater{});
    for (size_t i = kept_aside_max; i < files.size(); ++i)
      (void)on.remove(files[i].name);
  }
}

} // namespace pm::files
