#include "test/unit/registry/store_fixture.hpp"

#include "registry/store/snapshot_text.hpp"
#include "registry/store/store_files.hpp"

using namespace pm;
using namespace pm::test;

namespace {

registry_contents some_contents() {
  registry_contents x;
  x.apply(definition_of("a.b-c_1"));
  x.apply(definition_of("web"));
  x.apply(state_of("web", 4));
  x.apply(node_mark{false, "boot", "alpha"});
  x.sequence = 77;
  return x;
}

ec code_of(std::string_view text) {
  auto x = decode_snapshot("s", text);
  return x ? ec::none : x.error().code;
}

// Two snapshots, the second one newer by a process, and a third in the
// journal.
struct snapshot_fixture : store_fixture {
  snapshot_fixture() {
    auto store = open();
    put(store, definition_of("first"));
    compact(store);
    put(store, definition_of("second"));
    compact(store);
    put(store, definition_of("third"));
  }
};

void replace(std::string& text, std::string_view from, std::string_view to) {
  auto at = text.find(from);
  BOOST_REQUIRE(at != text.npos);
  text.replace(at, from.size(), to);
}

std::string without_checksum(std::string text) {
  auto at = text.rfind(",\n\"checksum\"");
  BOOST_REQUIRE(at != text.npos);
  return text.substr(0, at) + "}\n";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_snapshot, snapshot_fixture)

BOOST_AUTO_TEST_CASE(it_reads_back_as_it_was) {
  auto text = encode_snapshot(freeze(some_contents()), 5);
  auto x = decode_snapshot("s", text);
  BOOST_REQUIRE_MESSAGE(x, x.error().text);
  BOOST_TEST((x->contents == some_contents()));
  BOOST_TEST(x->generation == 5u);
  BOOST_TEST(x->problems.empty());
  auto empty =
    decode_snapshot("s", encode_snapshot(freeze(registry_contents{}), 0));
  BOOST_REQUIRE(empty);
  BOOST_TEST((empty->contents == registry_contents{}));
}

BOOST_AUTO_TEST_CASE(it_is_json_that_people_can_read) {
  auto text = encode_snapshot(freeze(some_contents()), 5);
  BOOST_TEST(text.starts_with(
    "{\"format\": 1, \"generation\": 5, \"sequence\": 77,\n"
    "\"node\": {\"clean_shutdown\":false,\"boot_id\":\"boot\",\"name\":"
    "\"alpha\"},\n"
    "\"requests\": [],\n\"ended\": [],\n\"processes\": {\n"
    "\"a.b-c_1\": {\"handle_id\":\"a.b-c_1\",\"created_at\":"));
  BOOST_TEST(text.find("\n\"web\": {") != text.npos);
  BOOST_TEST(text.ends_with("\"}\n"));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_or_missing_end_shows) {
  auto text = encode_snapshot(freeze(some_contents()), 5);
  for (size_t at = 0; at < text.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      auto x = decode_snapshot("s", damaged);
      BOOST_TEST_CONTEXT("byte " << at << " bit " << bit)
      BOOST_REQUIRE(
        (!x || !x->problems.empty() || x->contents == some_contents()));
    }
  for (size_t size = 0; size < text.size(); ++size)
    BOOST_REQUIRE((code_of(text.substr(0, size)) == ec::storage_failed));
}

BOOST_AUTO_TEST_CASE(a_damaged_one_is_kept_aside_and_the_one_before_serves) {
  disk->bytes(files::snapshot)[300] ^= 8;
  auto damaged = disk->bytes(files::snapshot);
  auto store = open();
  BOOST_TEST(store.records().size() == 3u);
  BOOST_TEST(reported("processes.json: its contents are damaged"));
  BOOST_REQUIRE(report.kept_aside.size() == 1u);
  BOOST_TEST(disk->bytes(report.kept_aside[0]) == damaged);
  BOOST_TEST(open().records().size() == 3u);
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(two_damaged_ones_leave_what_the_journals_say) {
  for (auto name : {files::snapshot, files::snapshot_before})
    disk->bytes(name) = "{\"format\": 1, \"gener";
  auto store = open();
  BOOST_TEST(store.records().contains("second"));
  BOOST_TEST(store.records().contains("third"));
  BOOST_TEST(reported("change 1 is lost"));
  BOOST_TEST(report.kept_aside.size() == 3u); // and the journal with the gap
}

BOOST_AUTO_TEST_CASE(a_missing_one_is_replaced_by_the_one_before) {
  BOOST_TEST(disk->remove("processes.json").has_value());
  BOOST_TEST(open().records().size() == 3u);
  BOOST_TEST(report.lines.empty());
}

BOOST_AUTO_TEST_CASE(one_that_a_person_edited_is_taken_without_its_checksum) {
  auto& text = disk->bytes(files::snapshot);
  replace(text, "\"sleep\"", "\"sloop\"");
  auto edited = text;
  open();
  BOOST_TEST(reported("processes.json: its contents are damaged"));
  disk = std::make_shared<faulty_storage>();
  disk->bytes(files::snapshot) = without_checksum(edited);
  auto store = open();
  BOOST_TEST(store.records().at("first")->definition.spec.command[0]
             == "sloop");
  BOOST_TEST(reported("it has no checksum, and is taken as it is"));
}

BOOST_AUTO_TEST_CASE(an_entry_that_cannot_be_used_costs_only_itself) {
  auto text = without_checksum(disk->bytes(files::snapshot));
  replace(text, "{\"command\":", "{\"autostart\":5,\"command\":");
  replace(text, "\"second\": {\"handle_id\":\"second\"",
          "\"../x\": {\"handle_id\":\"../x\"");
  disk->bytes(files::snapshot) = text;
  auto store = open();
  BOOST_TEST(reported("first.spec.autostart: true or false expected"));
  BOOST_TEST(reported("'../x' is not a handle id"));
  BOOST_TEST(store.records().size() == 1u);
  BOOST_TEST(disk->bytes(report.kept_aside.at(0)) == text);
}

BOOST_AUTO_TEST_CASE(a_newer_or_foreign_file_is_refused_and_nothing_touched) {
  auto newer = disk->bytes(files::snapshot);
  replace(newer, "\"format\": 1", "\"format\": 2");
  for (auto& text :
       {without_checksum(newer), std::string{"[{\"handle_id\": \"x\"}]"},
        std::string{"{\"x\": {\"handle_id\": \"x\", \"pid\": 1}}"}}) {
    auto other = disk->after_crash(false);
    other->bytes(files::snapshot) = text;
    auto names = other->list().value();
    auto refused = registry_store::open(other, report);
    BOOST_REQUIRE(!refused);
    BOOST_TEST((refused.error().code == ec::format_refused));
    BOOST_TEST(refused.error().text.find("processes.json") == 0u);
    BOOST_TEST(other->bytes(files::snapshot) == text);
    BOOST_TEST(other->list().value() == names,
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(the_end_of_a_newer_one_may_look_as_it_likes) {
  BOOST_TEST(
    (code_of("{\"format\": 2, \"whatever\": [1, 2]}") == ec::format_refused));
}

BOOST_AUTO_TEST_SUITE_END()
