#include "test/unit/registry/store_fixture.hpp"

#include <cerrno>
#include <random>

#include "registry/store/journal_frame.hpp"
#include "registry/store/store_files.hpp"

using namespace pm;
using namespace pm::test;

namespace {

// What a script of changes was told, and what it wrote. Change i defines
// process p<i> in its state i + 1, in one group.
struct outcome_of_script {
  int written = 0;      // groups
  int acknowledged = 0; // groups
};

constexpr int script_length = 12;

expected<uint64_t> put_group(registry_store& store, int i) {
  auto id = "p" + std::to_string(i);
  return put(store, definition_of(id), state_of(id, i + 1));
}

outcome_of_script run_script(const std::shared_ptr<faulty_storage>& disk) {
  outcome_of_script result;
  open_report report;
  auto store = registry_store::open(disk, report);
  if (!store)
    return result;
  for (int i = 0; i < script_length; ++i) {
    // Every third group comes while a snapshot is under way.
    auto compacting = i % 3 == 2 ? store->compaction_job() : nullptr;
    if (!put_group(*store, i))
      return result;
    ++result.written;
    if (!sync(*store))
      return result;
    result.acknowledged = result.written;
    if (compacting) {
      auto outcome = compacting();
      store->compaction_done(outcome);
    }
  }
  return result;
}

// All groups up to some one are there, whole, and none behind it.
void check_prefix(const registry_store& store, int at_least, int at_most) {
  auto count = static_cast<int>(store.records().size());
  BOOST_REQUIRE_GE(count, at_least);
  BOOST_REQUIRE_LE(count, at_most);
  for (int i = 0; i < count; ++i) {
    auto found = store.records().find("p" + std::to_string(i));
    BOOST_REQUIRE(found != store.records().end());
    BOOST_REQUIRE(found->second->state.restart_count == i + 1);
  }
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(storage_faults, store_fixture)

BOOST_AUTO_TEST_CASE(a_stop_at_any_call_loses_nothing_acknowledged) {
  for (size_t last = 1;; ++last) {
    disk = std::make_shared<faulty_storage>();
    disk->stop_the_world_at(last);
    auto script = run_script(disk);
    BOOST_TEST_CONTEXT("stop at call " << last << ": " << disk->last_call()) {
      auto store = open(disk->after_crash(false));
      // The one that was being written when the world stopped may be there.
      check_prefix(store, script.written, script.written + 1);
      check_prefix(open(disk->after_crash(true)), script.acknowledged,
                   script.written + 1);
    }
    if (disk->steps() < last) {
      BOOST_TEST(script.acknowledged == script_length);
      break;
    }
  }
}

BOOST_AUTO_TEST_CASE(any_power_cut_loses_nothing_acknowledged) {
  size_t states = 0;
  for (size_t last = 1;; ++last) {
    disk = std::make_shared<faulty_storage>();
    disk->stop_the_world_at(last);
    auto script = run_script(disk);
    for (uint64_t seed = last * 100; seed < last * 100 + 12; ++seed, ++states)
      BOOST_TEST_CONTEXT("stop at call " << last << ": " << disk->last_call()
                                         << ", power cut seed " << seed)
    check_prefix(open(disk->after_power_cut(seed)), script.acknowledged,
                 script.written + 1);
    if (disk->steps() < last)
      break;
  }
  BOOST_TEST(states > 1'000u);
}

// A crash while recovering from a crash.
BOOST_AUTO_TEST_CASE(a_stop_at_any_call_of_an_open_loses_nothing) {
  auto first = open();
  for (int i = 0; i < 3; ++i)
    put_group(first, i);
  auto half_done = first.compaction_job();
  put_group(first, 3);
  sync(first);
  for (size_t last = 1;; ++last) {
    auto again = disk->after_crash(true);
    again->bytes(files::journal)[60] ^= 4; // and something to keep aside
    again = again->after_crash(false);
    again->stop_the_world_at(last);
    open_report ignored;
    auto opened = registry_store::open(again, ignored);
    BOOST_TEST_CONTEXT("stop at call " << last << ": " << again->last_call())
    for (auto power_cut : {false, true}) {
      auto after = open(again->after_crash(power_cut));
      BOOST_REQUIRE(after.records().size() == 3u);
      BOOST_REQUIRE(after.records().contains("p3"));
    }
    if (again->steps() < last)
      break;
  }
}

// One call fails and the rest works: what was refused is not there, what was
// accepted is, and the registry finds back to work by itself.
BOOST_AUTO_TEST_CASE(any_failed_call_is_survived) {
  for (size_t at = 1;; ++at)
    for (size_t count : {1, 3}) {
      disk = std::make_shared<faulty_storage>();
      disk->fail_steps(at, count, at % 2 == 0 ? EIO : ENOSPC);
      auto opened = registry_store::open(disk, report);
      if (!opened) {
        BOOST_REQUIRE(at < 12u);
        continue;
      }
      auto& store = *opened;
      std::map<std::string, int> accepted;
      for (int i = 0; i < script_length; ++i) {
        auto id = "p" + std::to_string(i % 4);
        if (put(store, definition_of(id), state_of(id, i)))
          accepted[id] = i;
        if (i % 2 == 0)
          sync(store);
        if (store.wants_compaction() || i % 5 == 4)
          compact(store);
      }
      BOOST_TEST_CONTEXT(count << " calls from " << at << " fail") {
        auto durable = false;
        for (int i = 0; i < 4 && !durable; ++i) {
          if (store.wants_compaction())
            compact(store);
          durable = put(store, definition_of("last")) && sync(store);
        }
        BOOST_REQUIRE(durable);
        for (auto power_cut : {false, true}) {
          auto after = open(disk->after_crash(power_cut));
          BOOST_REQUIRE(after.records() == store.records());
          BOOST_REQUIRE(after.records().size() == accepted.size() + 1);
          for (auto& [id, i] : accepted)
            BOOST_REQUIRE(after.records().at(id)->state.restart_count == i);
          // Half a record may be there, if it could not be taken away.
          for (auto& line : report.lines)
            BOOST_REQUIRE_MESSAGE(line.find("never ended") != line.npos, line);
        }
      }
      if (disk->steps() < at)
        return;
    }
}

BOOST_AUTO_TEST_CASE(a_failed_write_applies_nothing_and_leaves_no_half_record) {
  auto store = open();
  put(store, definition_of("a"));
  disk->fail_next_appends(1, ENOSPC);
  auto refused = put(store, definition_of("b"));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::storage_failed));
  BOOST_TEST(refused.error().text.find("No space left") != std::string::npos);
  BOOST_TEST(store.records().size() == 1u);
  BOOST_TEST(!store.wants_compaction());
  BOOST_TEST(put(store, definition_of("c")).has_value());
  auto after = open(disk->after_crash(false));
  BOOST_TEST(after.records().size() == 2u);
  BOOST_TEST(report.lines.empty());
}

// The numbers of the torn records go to others, which must win.
BOOST_AUTO_TEST_CASE(a_torn_write_that_stays_does_not_hide_what_comes_next) {
  auto store = open();
  put(store, definition_of("a"));
  disk->fail_next_appends(1, EIO);
  disk->fail_next_truncates(1, EIO);
  BOOST_TEST(!put(store, definition_of("x"), state_of("x", 1), removal{"a"},
                  definition_of("y"), state_of("y", 1)));
  BOOST_TEST(!put(store, definition_of("z")));
  BOOST_TEST(store.wants_compaction());
  auto compacting = store.compaction_job();
  BOOST_TEST(put(store, definition_of("b")).value() == 2u);
  BOOST_TEST(sync(store).has_value());
  auto before_the_snapshot = open(disk->after_crash(true));
  BOOST_TEST(before_the_snapshot.records().size() == 2u);
  BOOST_TEST(before_the_snapshot.records().contains("b"));
  store.compaction_done(compacting());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
}

BOOST_AUTO_TEST_CASE(
  a_torn_journal_of_a_failed_compaction_is_not_gone_on_with) {
  auto store = open();
  disk->fail_next_syncs(1, EIO);
  BOOST_TEST(!compact(store));
  put(store, definition_of("a"));
  disk->fail_next_appends(1, EIO);
  disk->fail_next_truncates(1, EIO);
  BOOST_TEST(!put(store, definition_of("torn")));
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(put(store, definition_of("b")).has_value());
  BOOST_TEST(sync(store).has_value());
  auto after = open(disk->after_crash(true));
  BOOST_TEST(after.records().size() == 2u);
  BOOST_TEST(after.records().contains("b"));
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(after_a_failed_sync_only_a_fresh_snapshot_helps) {
  auto store = open();
  put(store, definition_of("a"));
  disk->fail_next_syncs(1, EIO);
  BOOST_TEST(!sync(store));
  auto steps = disk->steps();
  auto refused = put(store, definition_of("b"));
  BOOST_REQUIRE(!refused);
  BOOST_TEST(refused.error().text.find("Input/output error")
             != std::string::npos);
  BOOST_TEST(!sync(store));
  BOOST_TEST(disk->steps() == steps, "a failed sync is not tried again");
  BOOST_TEST(store.wants_compaction());
  auto compacting = store.compaction_job();
  BOOST_TEST(put(store, definition_of("b")).has_value());
  BOOST_TEST(!sync(store), "nothing is durable before the snapshot is");
  store.compaction_done(compacting());
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_sync_that_fails_during_a_compaction_needs_one_more) {
  auto store = open();
  put(store, definition_of("a"));
  auto compacting = store.compaction_job();
  put(store, definition_of("b"));
  auto syncing = store.sync_job();
  disk->fail_next_syncs(1, EIO);
  store.sync_done(syncing());
  store.compaction_done(compacting());
  BOOST_TEST(!sync(store));
  BOOST_TEST(store.wants_compaction());
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_failed_compaction_waits_for_the_next_refused_call) {
  auto store = open();
  put(store, definition_of("a"));
  disk->fail_next_syncs(2, EIO);
  BOOST_TEST(!sync(store));
  BOOST_TEST(!compact(store));
  BOOST_TEST(!store.wants_compaction(), "it would spin on a broken disk");
  BOOST_TEST(!sync(store));
  BOOST_TEST(store.wants_compaction());
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(!store.wants_compaction());
  BOOST_TEST(open(disk->after_crash(true)).records().contains("a"));
}

BOOST_AUTO_TEST_CASE(failed_compactions_do_not_stop_acknowledgements) {
  auto store = open();
  for (int i = 0; i < 20; ++i) {
    disk->fail_next_appends(0, 0);
    auto compacting = store.compaction_job();
    disk->fail_next_appends(1, ENOSPC); // that of the snapshot
    auto outcome = compacting();
    store.compaction_done(outcome);
    BOOST_TEST(!outcome);
    BOOST_TEST(put_group(store, i).has_value());
    BOOST_TEST(sync(store).has_value());
    BOOST_TEST(!disk->has(files::snapshot_temporary), "it takes up space");
  }
  check_prefix(open(disk->after_crash(true)), 20, 20);
  size_t journals = 0;
  auto names = disk->list().value();
  for (auto& name : names)
    journals += name.starts_with(files::journal_next) ? 1u : 0u;
  BOOST_TEST(journals == 1u, "failures pile up files");
  BOOST_TEST(compact(store).has_value());
  check_prefix(open(disk->after_crash(true)), 20, 20);
}

BOOST_AUTO_TEST_CASE(a_full_disk_opens_for_reading_and_mends_itself) {
  auto first = open();
  put(first, definition_of("a"));
  disk = disk->after_crash(false);
  disk->fail_next_appends(1000, ENOSPC);
  auto store = open();
  BOOST_TEST(store.records().contains("a"));
  BOOST_TEST(reported("No space left"));
  auto refused = put(store, definition_of("b"));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ec::storage_failed));
  BOOST_TEST(!sync(store));
  BOOST_TEST(store.wants_compaction());
  BOOST_TEST(!compact(store));
  disk->fail_next_appends(0, 0);
  BOOST_TEST(!put(store, definition_of("b")));
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(put(store, definition_of("b")).has_value());
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_not_taken_for_empty) {
  auto store = open();
  put(store, definition_of("a"));
  for (size_t step = 1; step <= 5; ++step) {
    auto unreadable = disk->after_crash(false);
    unreadable->fail_steps(step, 1, EIO);
    auto opened = registry_store::open(unreadable, report);
    BOOST_REQUIRE(!opened);
    BOOST_TEST((opened.error().code == ec::storage_failed));
    BOOST_TEST(unreadable->steps() == step);
  }
}

BOOST_AUTO_TEST_SUITE_END()
