#include "test/unit/registry/store_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pm;
using namespace pm::test;

namespace {

struct disk_fixture {
  disk_fixture() {
    auto name = (std::filesystem::temp_directory_path() / "pm-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    base = name;
  }

  ~disk_fixture() { std::filesystem::remove_all(base); }

  std::shared_ptr<storage> disk() {
    auto opened = open_storage(base);
    BOOST_REQUIRE(opened);
    return *opened;
  }

  registry_store open() {
    auto store = registry_store::open(disk(), report);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    BOOST_REQUIRE(report.lines.empty());
    return std::move(*store);
  }

  std::string path(const std::string& name) const { return base + "/" + name; }

  std::string base;
  open_report report;
};

// Files of this process cannot grow beyond a size while it lives.
class file_size_limit {
public:
  explicit file_size_limit(uint64_t size) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{size, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }

private:
  rlimit before_{};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_real_disk, disk_fixture)

BOOST_AUTO_TEST_CASE(a_registry_comes_back_with_private_files) {
  {
    auto store = open();
    BOOST_TEST(
      put(store, definition_of("web"), state_of("web", 2)).has_value());
    BOOST_TEST(sync(store).has_value());
    BOOST_TEST(compact(store).has_value());
    BOOST_TEST(put(store, state_of("web", 3)).has_value());
  }
  BOOST_TEST(open().records().at("web")->state.restart_count == 3);
  for (auto& entry : std::filesystem::directory_iterator{base}) {
    struct stat info {};
    BOOST_REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 0777) == 0600u);
  }
}

BOOST_AUTO_TEST_CASE(storage_does_what_its_words_say) {
  auto on = disk();
  BOOST_TEST(!on->read("none").value());
  BOOST_TEST(on->remove("none").has_value());
  BOOST_TEST(!on->rename("none", "other"));
  auto file = on->open("a", open_mode::replace).value();
  BOOST_TEST(file->append("one two").has_value());
  BOOST_TEST(file->truncate(3).has_value());
  BOOST_TEST(file->append(" three").has_value());
  BOOST_TEST(file->sync().has_value());
  BOOST_TEST(on->read("a").value().value() == "one three");
  BOOST_TEST(on->open("a", open_mode::append).value()->append("!").has_value());
  BOOST_TEST(on->rename("a", "b").has_value());
  BOOST_TEST(on->sync_directory().has_value());
  BOOST_TEST(on->read("b").value().value() == "one three!");
  BOOST_TEST(on->list().value() == std::vector<std::string>{"b"},
             boost::test_tools::per_element());
  BOOST_TEST(on->open("b", open_mode::replace).has_value());
  BOOST_TEST(on->read("b").value().value().empty());
}

BOOST_AUTO_TEST_CASE(large_files_are_read_whole) {
  std::string bytes(3'000'000, 'x');
  for (size_t i = 0; i < bytes.size(); i += 100)
    bytes[i] = static_cast<char>(i / 100);
  auto on = disk();
  BOOST_TEST(
    on->open("a", open_mode::replace).value()->append(bytes).has_value());
  BOOST_TEST((on->read("a").value().value() == bytes));
}

BOOST_AUTO_TEST_CASE(links_and_devices_are_not_followed) {
  std::ofstream{path("target")} << "precious";
  std::filesystem::create_symlink("target", path("processes.json.tmp"));
  auto on = disk();
  BOOST_TEST(!on->open("processes.json.tmp", open_mode::replace));
  BOOST_TEST(!on->read("processes.json.tmp"));
  BOOST_REQUIRE(::mkfifo(path("pipe").c_str(), 0600) == 0);
  auto refused = on->read("pipe");
  BOOST_REQUIRE(!refused);
  BOOST_TEST(refused.error().text.find("not a regular file")
             != std::string::npos);
  std::ifstream in{path("target")};
  std::string text;
  in >> text;
  BOOST_TEST(text == "precious");
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_gone_is_an_error) {
  auto missing = open_storage(path("missing"));
  BOOST_REQUIRE(!missing);
  BOOST_TEST((missing.error().code == ec::storage_failed));
  BOOST_TEST(missing.error().text.find("missing") != std::string::npos);
}

// The kernel takes a part of the record, then refuses the rest.
BOOST_AUTO_TEST_CASE(a_short_write_is_cut_away) {
  {
    auto store = open();
    BOOST_TEST(put(store, definition_of("a")).has_value());
    auto size = std::filesystem::file_size(path("processes.journal"));
    {
      file_size_limit limit{size + 100};
      auto refused = put(store, definition_of("b"));
      BOOST_REQUIRE(!refused);
      BOOST_TEST(refused.error().text.find("File too large")
                 != std::string::npos);
      BOOST_TEST(std::filesystem::file_size(path("processes.journal")) == size);
    }
    BOOST_TEST(put(store, definition_of("c")).has_value());
  }
  auto store = open();
  BOOST_TEST(store.records().size() == 2u);
  BOOST_TEST(store.records().contains("c"));
}

// As a node does it: jobs on a thread of their own, writes meanwhile.
BOOST_AUTO_TEST_CASE(jobs_run_beside_writes_on_another_thread) {
  {
    auto store = open();
    for (int i = 0; i < 50; ++i)
      put(store, definition_of("p" + std::to_string(i)));
    for (int round = 0; round < 20; ++round) {
      auto compacting = std::async(std::launch::async, store.compaction_job());
      auto syncing = std::async(std::launch::async, store.sync_job());
      for (int i = 0; i < 50; ++i)
        BOOST_REQUIRE(put(store, state_of("p" + std::to_string(i), round)));
      store.sync_done(syncing.get());
      store.compaction_done(compacting.get());
      BOOST_REQUIRE(!store.wants_compaction());
    }
  }
  auto store = open();
  BOOST_REQUIRE(store.records().size() == 50u);
  for (auto& [id, record] : store.records())
    BOOST_TEST(record->state.restart_count == 19);
}

BOOST_AUTO_TEST_SUITE_END()
