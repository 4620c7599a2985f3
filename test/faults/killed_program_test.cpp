#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/faults/fault_script.hpp"
#include "test/faults/killing_storage.hpp"

// A program that is killed at each call that the registry makes of the disk.

using namespace pm;
using namespace pm::test;

namespace {

constexpr size_t compaction_every = 24; // groups
constexpr size_t compaction_takes = 4;  // groups are written meanwhile

// Where a child is to die, and how it runs its jobs.
struct child_plan {
  std::string directory;
  size_t at = 0;
  bool in_the_middle = false;
  std::launch how = std::launch::deferred;
};

// What the parent knows of a child that has ended.
struct child_end {
  int exit_code = -1;
  uint64_t told = 0; // the last change whose write had returned
};

[[noreturn]] void end_child(const error& why) {
  std::fprintf(stderr, "%s\n", why.text.c_str());
  ::_exit(EXIT_FAILURE);
}

// Makes all changes, and tells of each group once it is written.
void play_in_child(const child_plan& plan, int told) {
  auto disk = open_storage(plan.directory);
  if (!disk)
    end_child(disk.error());
  open_report report;
  auto store = registry_store::open(
    std::make_shared<killing_storage>(*disk, plan.at, plan.in_the_middle),
    report);
  if (!store)
    end_child(store.error());
  script_player player{*store, plan.how};
  for (size_t i = 0; i < fault_script().size(); ++i) {
    if (i % compaction_every == compaction_every / 2)
      player.begin_compaction();
    auto sequence = store->write(fault_script()[i]);
    if (!sequence)
      end_child(sequence.error());
    if (::write(told, &*sequence, sizeof *sequence) != sizeof *sequence)
      ::_exit(EXIT_FAILURE);
    if (i % 3 == 0) {
      if (auto ok = player.end_sync(); !ok)
        end_child(ok.error());
      player.begin_sync();
    }
    if (i % compaction_every == compaction_every / 2 + compaction_takes)
      if (auto ok = player.end_compaction(); !ok)
        end_child(ok.error());
  }
  for (auto& ok : {player.end_sync(), player.end_compaction()})
    if (!ok)
      end_child(ok.error());
}

child_end run_child(const child_plan& plan) {
  int ends[2];
  BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  auto pid = ::fork();
  BOOST_REQUIRE(pid >= 0);
  if (pid == 0) {
    play_in_child(plan, ends[1]);
    ::_exit(EXIT_SUCCESS);
  }
  ::close(ends[1]);
  child_end result;
  uint64_t sequence = 0;
  while (::read(ends[0], &sequence, sizeof sequence) == sizeof sequence)
    result.told = sequence;
  ::close(ends[0]);
  int status = 0;
  BOOST_REQUIRE(::waitpid(pid, &status, 0) == pid);
  if (WIFEXITED(status))
    result.exit_code = WEXITSTATUS(status);
  return result;
}

struct kill_fixture {
  kill_fixture() {
    // In memory where there is such a place: a kill leaves the kernel's pages
    // alone, so it makes no difference, and a slow disk would make hours of it.
    std::filesystem::path memory{"/dev/shm"};
    base = ((std::filesystem::is_directory(memory)
               ? memory
               : std::filesystem::temp_directory_path())
            / "pm-XXXXXX")
             .string();
    BOOST_REQUIRE(::mkdtemp(base.data()) != nullptr);
  }

  ~kill_fixture() { std::filesystem::remove_all(base); }

  registry_store open() {
    auto store = registry_store::open(open_storage(base).value(), report);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    return std::move(*store);
  }

  // All that was told is there, and of the rest whole groups.
  void check(const child_end& end) {
    uint64_t sequence = 0;
    registry_view first;
    {
      auto store = open();
      sequence = store.sequence();
      first = view_of(store);
    }
    BOOST_REQUIRE_GE(sequence, end.told);
    auto group = group_ending_at(sequence);
    BOOST_REQUIRE(group.has_value());
    if (*group < 0)
      BOOST_REQUIRE(first.records.empty());
    else
      BOOST_REQUIRE(
        (first == group_outcomes().at(static_cast<size_t>(*group))));
    BOOST_REQUIRE(report.kept_aside.empty());
    for (auto& line : report.lines)
      BOOST_REQUIRE_MESSAGE(line.find("never ended") != line.npos, line);
    auto again = open();
    BOOST_REQUIRE((view_of(again) == first));
    BOOST_REQUIRE(again.sequence() == sequence);
    BOOST_REQUIRE(report.lines.empty());
  }

  void kill_at_every_call(std::launch how) {
    size_t kills = 0;
    size_t at = 1;
    for (auto done = false; !done; ++at)
      for (auto in_the_middle : {false, true}) {
        std::filesystem::remove_all(base);
        BOOST_REQUIRE(::mkdir(base.c_str(), 0700) == 0);
        auto end = run_child({base, at, in_the_middle, how});
        done = end.exit_code == EXIT_SUCCESS;
        BOOST_TEST_CONTEXT("killed at call "
                           << at << (in_the_middle ? ", in its middle" : "")) {
          BOOST_REQUIRE((done || end.exit_code == killed_at_call
                         || end.exit_code == killed_at_append));
          check(end);
        }
        if (done) {
          BOOST_TEST(end.told == group_ends().back());
          break;
        }
        ++kills;
        if (end.exit_code != killed_at_append)
          break;
      }
    BOOST_TEST_MESSAGE(kills << " kills at " << at - 2 << " calls");
    BOOST_TEST(kills > 200u);
  }

  std::string base;
  open_report report;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_killed_program, kill_fixture)

BOOST_AUTO_TEST_CASE(a_kill_at_any_call_loses_nothing_that_was_written) {
  kill_at_every_call(std::launch::deferred);
}

BOOST_AUTO_TEST_CASE(nor_does_one_while_the_jobs_run_on_another_thread) {
  kill_at_every_call(std::launch::async);
}

BOOST_AUTO_TEST_SUITE_END()
