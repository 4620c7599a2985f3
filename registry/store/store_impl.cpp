#include "registry/store/store_impl.hpp"

#include <algorithm>

#include "registry/store/change_codec.hpp"
#include "registry/store/journal_frame.hpp"
#include "registry/store/snapshot_text.hpp"

namespace pm {

expected<void> registry_store::impl::load(open_report& report) {
  auto found = files::read_all(*on, attempt);
  if (!found)
    return tl::make_unexpected(found.error());
  auto recovered = recover(*found);
  if (!recovered)
    return tl::make_unexpected(recovered.error());
  report = std::move(recovered->report);
  contents = std::move(recovered->contents);
  generation = recovered->generation;
  attempt = std::max(attempt, generation);
  snapshot_size = recovered->snapshot_size;
  auto names = files::aside_names(*on, recovered->damaged);
  if (!names)
    return tl::make_unexpected(names.error());
  *damaged = std::move(*names);
  history = std::make_shared<history_file>(on, limits);
  if (auto ok = history->check(report); !ok)
    return ok;
  for (auto& x : *damaged) {
    report.kept_aside.push_back(x.kept);
    report.lines.push_back(fmt::format("{} is kept as {}", x.name, x.kept));
  }
  return {};
}

// -- writing ------------------------------------------------------------------

expected<void> registry_store::impl::check_writable(uint64_t more_bytes) {
  uint64_t size = more_bytes;
  for (auto& journal : journals)
    size += journal->size;
  auto good = !journals.empty() && !journals.back()->torn
              && !journals.back()->sync_failed;
  if (good && size <= limits.journal_size_max)
    return {};
  mending_due = true;
  if (good)
    return fail(ec::storage_failed,
                "the registry's journal has reached {} bytes and no snapshot "
                "could be made ({}); nothing was changed",
                limits.journal_size_max, last_failure);
  return fail(ec::storage_failed,
              "the registry takes no changes until a fresh snapshot is made "
              "({}); nothing was changed",
              last_failure);
}

expected<void> registry_store::impl::append(const std::string& bytes) {
  if (auto ok = check_writable(bytes.size()); !ok)
    return ok;
  auto& journal = *journals.back();
  if (auto ok = journal.file->append(bytes); !ok) {
    last_failure = ok.error().text;
    if (!journal.file->truncate(journal.size)) {
      journal.torn = true;
      mending_due = true;
    }
    return fail(ec::storage_failed, "{}; nothing was changed", last_failure);
  }
  journal.size += bytes.size();
  grown += bytes.size();
  return {};
}

expected<uint64_t>
registry_store::impl::write(std::span<const change> changes) {
  std::string bytes;
  auto sequence = contents.sequence;
  auto settled =
    !journals.empty() && journals.back()->synced == journals.back()->size;
  for (auto& x : changes) {
    auto first = &x == &changes.front();
    auto payload = encode_change(x);
    if (!payload)
      return tl::make_unexpected(payload.error());
    append_frame(bytes, {++sequence, record_type(x), &x != &changes.back(),
                         *payload, 0, !first, first && settled});
  }
  if (bytes.empty())
    return sequence;
  if (auto ok = append(bytes); !ok)
    return tl::make_unexpected(ok.error());
  for (auto& x : changes) {
    ++contents.sequence;
    contents.apply(x, compacting.has_value());
  }
  return sequence;
}

// -- syncing ------------------------------------------------------------------

bool registry_store::impl::some_sync_failed() const noexcept {
  return journals.empty()
         || std::any_of(journals.begin(), journals.end(),
                        [](auto& x) { return x->sync_failed; });
}

registry_store::job registry_store::impl::sync_job() {
  syncing.emplace();
  syncing->refused = some_sync_failed();
  if (syncing->refused)
    return [failure = last_failure]() -> expected<void> {
      return fail(ec::storage_failed,
                  "nothing is durable until a fresh snapshot is made ({})",
                  failure);
    };
  std::vector<std::shared_ptr<storage_file>> unsynced;
  for (auto& x : journals)
    if (x->synced < x->size) {
      syncing->journals.emplace_back(x, x->size);
      unsynced.push_back(x->file);
    }
  syncing->names_made = names_made;
  return [unsynced = std::move(unsynced), on = on,
          new_names = names_made > names_synced]() -> expected<void> {
    for (auto& file : unsynced)
      if (auto ok = file->sync(); !ok)
        return ok;
    if (new_names)
      return on->sync_directory();
    return {};
  };
}

void registry_store::impl::sync_done(const expected<void>& outcome) {
  if (!syncing)
    return;
  auto done = std::move(*syncing);
  syncing.reset();
  if (outcome) {
    for (auto& [journal, size] : done.journals)
      journal->synced = std::max(journal->synced, size);
    names_synced = std::max(names_synced, done.names_made);
    return;
  }
  // Which of them failed does not matter: none is tried again. Not even one
  // without new bytes, if it was the directory that failed.
  mending_due = true;
  if (done.refused)
    return;
  last_failure = outcome.error().text;
  journals.back()->sync_failed = true;
  for (auto& [journal, size] : done.journals)
    journal->sync_failed = true;
}

// -- compaction ---------------------------------------------------------------

bool registry_store::impl::wants_compaction() const noexcept {
  return !compacting
         && (mending_due
             || grown > std::max(limits.journal_size_min,
                                 limits.journal_growth * snapshot_size));
}

// A journal that was begun by a compaction which then failed is gone on with,
// so that failures do not pile up files.
bool registry_store::impl::needs_new_journal() const noexcept {
  if (journals.empty())
    return true;
  auto& last = *journals.back();
  return last.name == files::journal || last.torn || last.sync_failed
         || last.name_unsure;
}

expected<void> registry_store::impl::begin_journal(uint64_t for_generation) {
  auto next = std::make_shared<open_journal>();
  next->name = files::next_journal(for_generation);
  auto file = on->open(next->name, open_mode::replace);
  if (!file)
    return tl::make_unexpected(file.error());
  next->file = std::move(*file);
  auto header = encode_journal_header({for_generation, contents.sequence});
  if (auto ok = next->file->append(header); !ok) {
    (void)on->remove(next->name);
    return ok;
  }
  next->size = header.size();
  journals.push_back(std::move(next));
  ++names_made;
  return {};
}

registry_store::job registry_store::impl::compaction_job() {
  ++attempt;
  if (needs_new_journal())
    if (auto ok = begin_journal(attempt); !ok)
      return [failure = ok]() { return failure; };
  auto frozen = std::make_shared<const frozen_contents>(freeze(contents));
  auto progress = std::make_shared<compaction_progress>();
  auto newest = journals.back();
  grown = 0;
  compacting = compaction_under_way{attempt, names_made, frozen->ended.size(),
                                    newest, progress};
  return [on = on, frozen, progress, damaged = damaged, history = history,
          number = attempt, name = newest->name]() -> expected<void> {
    auto text = encode_snapshot(*frozen, number);
    progress->snapshot_size = text.size();
    if (auto ok = files::put_snapshot(*on, text, *damaged); !ok)
      return ok;
    progress->retiring = true;
    std::set<std::string_view> known;
    for (auto& x : frozen->processes)
      known.insert(x->definition.handle_id);
    if (auto ok = history->add(frozen->ended, known); !ok)
      return ok;
    auto retired = files::retire_journals(*on, name, *damaged);
    if (retired)
      files::drop_oldest_aside(*on);
    return retired;
  };
}

void registry_store::impl::compaction_done(const expected<void>& outcome) {
  if (!compacting || !outcome) {
    if (!outcome)
      last_failure = outcome.error().text;
    if (compacting && compacting->progress->retiring)
      compacting->newest->name_unsure = true;
    compacting.reset();
    mending_due = false; // until the next call is refused
    grown = 0;
    return;
  }
  auto done = std::move(*compacting);
  compacting.reset();
  generation = done.generation;
  snapshot_size = done.progress->snapshot_size;
  contents.ended.erase(contents.ended.begin(),
                       contents.ended.begin() + static_cast<long>(done.ended));
  names_synced = std::max(names_synced, done.names_made);
  done.newest->name = files::journal;
  journals.erase(journals.begin(),
                 std::find(journals.begin(), journals.end(), done.newest));
  mending_due = some_sync_failed() || journals.back()->torn;
}

} // namespace pm
