#include <boost/test/unit_test.hpp>

#include <filesystem>

#include <time.h>
#include <unistd.h>

#include <pm/registry_store.hpp>

using namespace pm;

namespace {

constexpr int record_count = 10'000;

// The time that this thread computed, so that a busy machine shows less.
double now_ms() {
  timespec x{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &x);
  return static_cast<double>(x.tv_sec) * 1e3
         + static_cast<double>(x.tv_nsec) / 1e6;
}

double ms_since(double start) {
  return now_ms() - start;
}

change usual_definition(const std::string& id) {
  process_definition x;
  x.handle_id = id;
  x.created_at = timestamp{milliseconds{1'700'000'000'000}};
  x.spec.command = {"/usr/bin/serve", "--port", "8080", "--name", id};
  x.spec.working_dir = "/srv/" + id;
  x.spec.environment = {{"PORT", "8080"}, {"NAME", id}};
  return x;
}

change usual_state(const std::string& id) {
  state_change x;
  x.handle_id = id;
  x.state.status = status::running;
  x.state.run_id = run_id::make(timestamp{milliseconds{1'700'000'000'000}});
  x.state.identity = {4711, 123456, "0b0e3e8c-8f5f-4a34-8d5c-1c2a3b4c5d6e"};
  x.state.started_at = timestamp{milliseconds{1'700'000'000'123}};
  x.state.recent_starts = {*x.state.started_at};
  x.state.last_updated = *x.state.started_at;
  x.state.asked.correlation_id = "0123456789abcdef";
  return x;
}

} // namespace

// The figures are for people and of computing alone: a loaded machine must not
// fail a test.
BOOST_AUTO_TEST_CASE(ten_thousand_records_are_written_and_read) {
  auto base = (std::filesystem::temp_directory_path() / "pm-XXXXXX").string();
  BOOST_REQUIRE(::mkdtemp(base.data()) != nullptr);
  open_report report;
  {
    auto store = registry_store::open(*open_storage(base), report);
    BOOST_REQUIRE(store);
    auto start = now_ms();
    for (int i = 0; i < record_count; ++i) {
      std::vector<change> changes{usual_definition("p" + std::to_string(i))};
      BOOST_REQUIRE(store->write(changes));
    }
    fmt::print("definition: {:.2f} us each\n",
               ms_since(start) * 1000 / record_count);
    start = now_ms();
    for (int i = 0; i < record_count; ++i) {
      std::vector<change> changes{usual_state("p" + std::to_string(i))};
      BOOST_REQUIRE(store->write(changes));
    }
    fmt::print("state change: {:.2f} us each\n",
               ms_since(start) * 1000 / record_count);
    BOOST_REQUIRE(store->sync_job()());
  }
  for (auto* what : {"20,000 changes", "a snapshot"}) {
    auto start = now_ms();
    auto store = registry_store::open(*open_storage(base), report);
    BOOST_REQUIRE(store);
    BOOST_TEST(store->records().size() == 10'000u);
    fmt::print("open {}: {:.1f} ms\n", what, ms_since(start));
    start = now_ms();
    auto job = store->compaction_job();
    fmt::print("compaction, on the caller's thread: {:.1f} ms\n",
               ms_since(start));
    start = now_ms();
    auto outcome = job();
    fmt::print("compaction, in the job: {:.1f} ms, {} bytes\n", ms_since(start),
               std::filesystem::file_size(base + "/processes.json"));
    BOOST_TEST(outcome.has_value());
    store->compaction_done(outcome);
  }
  std::filesystem::remove_all(base);
}
