#include "test/unit/runtime/pipe_fixture.hpp"

namespace pm::test {

using namespace std::chrono_literals;

namespace {

bool grows_nothing(event_loop& loop) {
  auto turns = loop.counters().turns;
  for (int i = 0; i < 3; ++i)
    loop.run_once(false);
  return loop.counters().turns - turns <= 3;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(pipe_watcher_test, pipe_fixture)

BOOST_AUTO_TEST_CASE(capture_keeps_the_limit_and_says_what_it_cut) {
  auto x = open({{}, output_mode::capture, 100'000, nullptr});
  auto bytes = random_bytes(160'000, 3);
  std::thread child{[&] {
    write_all(x.write_end.get(), bytes, 1);
    x.write_end.reset();
  }};
  BOOST_TEST(run_until([&] { return closed == 1; }));
  child.join();
  BOOST_TEST((x.watcher->text() == bytes.substr(0, 100'000)));
  BOOST_TEST(x.watcher->was_cut());
}

BOOST_AUTO_TEST_CASE(capture_does_not_wait_for_a_grandchild) {
  auto x = open({{}, output_mode::capture, 100, nullptr});
  write(x, "all of it");
  x.watcher->drain();
  BOOST_TEST(x.watcher->text() == "all of it");
  BOOST_TEST(!x.watcher->was_cut());
  BOOST_TEST(closed == 1u);
}

BOOST_AUTO_TEST_CASE(a_stream_without_credit_holds_the_child_back) {
  auto x = open({{}, output_mode::stream, 0, nullptr});
  auto bytes = random_bytes(1u << 20, 6);
  std::thread child{[&] {
    write_all(x.write_end.get(), bytes, 2);
    x.write_end.reset();
  }};
  auto& got = chunks[0];
  BOOST_TEST(run_until([&] { return got.size() == stream_window; }));
  run_for(30ms);
  BOOST_TEST(got.size() == stream_window);
  BOOST_TEST(grows_nothing(*loop));
  x.watcher->consumed(10'000);
  BOOST_TEST(run_until([&] { return got.size() == stream_window + 10'000; }));
  size_t given = 10'000;
  BOOST_TEST(run_until([&] {
    x.watcher->consumed(got.size() - given);
    given = got.size();
    return closed == 1;
  }));
  child.join();
  BOOST_TEST((got == bytes));
  BOOST_TEST(chunk_max <= pipe_chunk_max);
}

BOOST_AUTO_TEST_CASE(the_exit_drains_a_stream_without_credit) {
  auto x = open({{}, output_mode::stream, 0, nullptr});
  auto bytes = random_bytes(stream_window + 50'000, 6);
  std::thread child{[&] { write_all(x.write_end.get(), bytes, 2); }};
  BOOST_TEST(run_until([&] { return chunks[0].size() == stream_window; }));
  child.join(); // the rest is in the pipe
  x.watcher->drain();
  BOOST_TEST((chunks[0] == bytes));
  BOOST_TEST(closed == 1u);
}

BOOST_AUTO_TEST_CASE(a_flooder_leaves_room_for_others) {
  auto flood = open_log(dir / "flood.log");
  auto quiet = open_log(dir / "quiet.log", 2);
  std::atomic<bool> stop{false};
  std::string block(1u << 20, 'f');
  std::thread flooder{[&] {
    while (!stop)
      write_all(flood.write_end.get(), block, 7);
    flood.write_end.reset();
  }};
  BOOST_TEST(run_until([&] { return moved > 4u << 20; }));
  for (int i = 0; i < 20; ++i) {
    auto begin = steady::now();
    write(quiet, "ping\n");
    auto size = static_cast<size_t>(5 * (i + 1));
    BOOST_TEST(
      run_until([&] { return read_file(dir / "quiet.log").size() == size; }));
    BOOST_TEST((steady::now() - begin < 1s));
  }
  stop = true;
  BOOST_TEST(run_until([&] { return closed == 1; }));
  flooder.join();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace pm::test
