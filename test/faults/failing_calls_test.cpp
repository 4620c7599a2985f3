#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <map>

#include "test/faults/fault_script.hpp"
#include "test/support/faulty_storage.hpp"

// A disk that refuses one call, or every call from one on.

using namespace pm;
using namespace pm::test;

namespace {

constexpr size_t from_then_on = 1'000'000;

struct failing_fixture {
  // Makes the script's changes whatever is refused, as a node would: it
  // compacts when that is asked for, and every 24 groups.
  void play(registry_store& store) {
    script_player player{store, std::launch::deferred};
    written.clear();
    std::vector<ended_run> history;
    written[0] = {};
    for (size_t i = 0; i < fault_script().size(); ++i) {
      if (store.write(fault_script()[i])) {
        for (auto& x : fault_script()[i])
          if (auto* run = std::get_if<ended_run>(&x))
            history.push_back(*run);
        auto& view = written[store.sequence()] = contents_of(store);
        view.history = history;
      }
      if (i % 3 == 0)
        (void)player.sync();
      if (store.wants_compaction() || i % 24 == 12)
        (void)player.compact();
    }
    acknowledged = player.acknowledged();
  }

  // All that was acknowledged is there after a power cut; nothing is there
  // that was refused.
  void check_cut() {
    auto store = registry_store::open(disk->after_crash(true), report);
    BOOST_REQUIRE_MESSAGE(store, store.error().text);
    BOOST_REQUIRE_GE(store->sequence(), acknowledged);
    auto found = written.find(store->sequence());
    BOOST_REQUIRE(found != written.end());
    BOOST_REQUIRE((store->sequence() == 0 || view_of(*store) == found->second));
  }

  // With the fault gone a change is durable within a few tries.
  void check_mended(registry_store& store) {
    script_player player{store, std::launch::deferred};
    auto durable = false;
    for (int i = 0; i < 3 && !durable; ++i) {
      if (store.wants_compaction())
        (void)player.compact();
      durable = store.write(fault_script()[0]) && player.sync();
    }
    BOOST_REQUIRE(durable);
    auto after = registry_store::open(disk->after_crash(true), report);
    BOOST_REQUIRE_MESSAGE(after, after.error().text);
    BOOST_REQUIRE((view_of(*after) == view_of(store)));
    BOOST_REQUIRE(after->sequence() == store.sequence());
  }

  void fail_at_every_call(size_t count) {
    size_t faults = 0;
    for (auto number : {ENOSPC, EIO, EROFS})
      for (size_t at = 1;; ++at) {
        disk = std::make_shared<faulty_storage>();
        disk->fail_steps(at, count, number);
        auto store = registry_store::open(disk, report);
        if (!store)
          continue; // it cannot be read, and says so
        play(*store);
        if (disk->steps() < at)
          break;
        ++faults;
        BOOST_TEST_CONTEXT("call " << at << " fails with errno " << number) {
          check_cut();
          disk->fail_steps(SIZE_MAX, 0, 0);
          check_mended(*store);
        }
      }
    BOOST_TEST_MESSAGE(faults << " faults");
    BOOST_TEST(faults > 500u);
  }

  std::shared_ptr<faulty_storage> disk;
  open_report report;
  std::map<uint64_t, registry_view> written; // by the last change's number
  uint64_t acknowledged = 0;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(a_failing_disk, failing_fixture)

BOOST_AUTO_TEST_CASE(one_refused_call_loses_nothing_acknowledged) {
  fail_at_every_call(1);
}

BOOST_AUTO_TEST_CASE(nor_do_all_calls_that_are_refused_from_one_on) {
  fail_at_every_call(from_then_on);
}

BOOST_AUTO_TEST_SUITE_END()
