#include "test/unit/registry/store_fixture.hpp"

#include <cerrno>

#include "registry/store/journal_frame.hpp"
#include "registry/store/store_files.hpp"

using namespace pm;
using namespace pm::test;

BOOST_FIXTURE_TEST_SUITE(the_registry_store, store_fixture)

BOOST_AUTO_TEST_CASE(an_empty_directory_is_an_empty_registry) {
  auto store = open();
  BOOST_TEST(store.records().empty());
  BOOST_TEST(store.last_mark().clean_shutdown);
  BOOST_TEST(store.sequence() == 0u);
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(what_was_written_is_there_after_a_crash) {
  auto store = open();
  BOOST_TEST(put(store, definition_of("web"), state_of("web", 3)).has_value());
  BOOST_TEST(put(store, definition_of("gone")).has_value());
  BOOST_TEST(put(store, removal{"gone"}).has_value());
  BOOST_TEST(put(store, node_mark{false, "boot", "n"}).has_value());
  auto after = open(disk->after_crash(false));
  BOOST_REQUIRE(after.records().size() == 1u);
  auto& record = *after.records().at("web");
  BOOST_TEST((record.definition == definition_of("web")));
  BOOST_TEST((record.state == state_of("web", 3).state));
  BOOST_TEST((after.last_mark() == node_mark{false, "boot", "n"}));
  BOOST_TEST(report.records_replayed == 5u);
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(what_was_synced_is_there_after_a_power_cut) {
  auto store = open();
  put(store, definition_of("web"));
  BOOST_TEST(sync(store).has_value());
  put(store, definition_of("late"));
  auto after = open(disk->after_crash(true));
  BOOST_TEST(after.records().contains("web"));
  BOOST_TEST(!after.records().contains("late"));
}

BOOST_AUTO_TEST_CASE(a_new_definition_keeps_the_state) {
  auto store = open();
  put(store, definition_of("web"), state_of("web", 3));
  auto changed = definition_of("web");
  changed.spec.command = {"other"};
  put(store, changed);
  auto after = open(disk->after_crash(false));
  BOOST_TEST((after.records().at("web")->definition == changed));
  BOOST_TEST(after.records().at("web")->state.restart_count == 3);
}

BOOST_AUTO_TEST_CASE(a_state_without_a_definition_makes_no_process) {
  auto store = open();
  put(store, state_of("nobody", 1));
  BOOST_TEST(store.records().empty());
  BOOST_TEST(open(disk->after_crash(false)).records().empty());
}

BOOST_AUTO_TEST_CASE(sequences_go_on_across_compactions_and_restarts) {
  auto store = open();
  BOOST_TEST(put(store, definition_of("a")).value() == 1u);
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(put(store, definition_of("b")).value() == 2u);
  auto again = open(disk->after_crash(false));
  BOOST_TEST(again.sequence() == 2u);
  BOOST_TEST(put(again, definition_of("c")).value() == 3u);
  BOOST_TEST(again.records().size() == 3u);
}

BOOST_AUTO_TEST_CASE(generations_grow_with_each_snapshot) {
  auto store = open();
  auto first = store.generation();
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(store.generation() == first + 1);
  BOOST_TEST(open(disk->after_crash(false)).generation() == first + 2);
}

BOOST_AUTO_TEST_CASE(writing_and_syncing_go_on_while_a_snapshot_is_made) {
  auto store = open();
  put(store, definition_of("before"));
  auto job = store.compaction_job();
  put(store, definition_of("meanwhile"));
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
  auto outcome = job();
  store.compaction_done(outcome);
  BOOST_TEST(outcome.has_value());
  put(store, definition_of("after"));
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 3u);
}

// The new journal's name is not durable by the sync of the old one alone.
BOOST_AUTO_TEST_CASE(a_sync_begun_before_a_compaction_says_nothing_of_the_new) {
  auto store = open();
  put(store, definition_of("a"));
  auto syncing = store.sync_job();
  auto compacting = store.compaction_job();
  store.sync_done(syncing());
  put(store, definition_of("b"));
  BOOST_TEST(sync(store).has_value());
  BOOST_TEST(open(disk->after_crash(true)).records().size() == 2u);
  store.compaction_done(compacting());
}

BOOST_AUTO_TEST_CASE(two_generations_are_kept_and_no_temporary_file) {
  auto store = open();
  put(store, definition_of("a"));
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(compact(store).has_value());
  auto names = disk->list().value();
  std::vector<std::string> wanted{"processes.journal", "processes.journal.1",
                                  "processes.json", "processes.json.1"};
  std::sort(names.begin(), names.end());
  std::sort(wanted.begin(), wanted.end());
  BOOST_TEST(names == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_unused_temporary_file_is_cleared) {
  disk->bytes("processes.json.tmp") = "half of a snap";
  open();
  BOOST_TEST(!disk->has("processes.json.tmp"));
}

BOOST_AUTO_TEST_CASE(a_long_journal_asks_for_a_snapshot) {
  store_limits limits;
  limits.journal_size_min = 5'000;
  limits.journal_growth = 2;
  auto store = open(disk, limits);
  put(store, definition_of("a"));
  BOOST_TEST(!store.wants_compaction());
  for (int i = 0; !store.wants_compaction(); ++i) {
    put(store, state_of("a", i));
    BOOST_REQUIRE_LT(i, 100);
  }
  BOOST_TEST(disk->bytes(files::journal).size() > 5'000u);
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(!store.wants_compaction());
  BOOST_TEST(disk->bytes(files::journal).size() == journal_header_size);
}

BOOST_AUTO_TEST_CASE(a_journal_at_its_limit_takes_nothing_more) {
  store_limits limits;
  limits.journal_size_max = 3'000;
  auto store = open(disk, limits);
  put(store, definition_of("a"));
  expected<uint64_t> last = 0;
  int count = 0;
  for (; last && count < 100; ++count)
    last = put(store, state_of("a", count));
  BOOST_REQUIRE(!last);
  BOOST_TEST((last.error().code == ec::storage_failed));
  BOOST_TEST(disk->bytes(files::journal).size() <= 3'000u);
  BOOST_TEST(store.records().at("a")->state.restart_count == count - 2);
  BOOST_TEST(store.wants_compaction());
  BOOST_TEST(compact(store).has_value());
  BOOST_TEST(put(store, state_of("a", count)).has_value());
}

BOOST_AUTO_TEST_CASE(what_could_not_be_read_back_is_not_written) {
  auto store = open();
  auto before = disk->bytes(files::journal);
  auto endless = definition_of("endless");
  endless.spec.restart_factor = std::numeric_limits<double>::infinity();
  auto huge = definition_of("huge");
  huge.spec.environment["X"] = std::string(17u << 20, 'x');
  for (auto& definition : {endless, huge}) {
    auto refused = put(store, definition_of("fine"), definition);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == ec::invalid_argument));
    BOOST_TEST(refused.error().text.find(definition.handle_id)
               != std::string::npos);
  }
  BOOST_TEST(store.records().empty());
  BOOST_TEST(disk->bytes(files::journal) == before);
}

BOOST_AUTO_TEST_SUITE_END()
