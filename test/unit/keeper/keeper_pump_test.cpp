#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>

#include <pm/log_index.hpp>

#include "test/unit/keeper/mortal_node.hpp"

// What the keeper does with the output while no node lives.

using namespace pm;
using namespace pm::test;
using keeper::frame_type;

namespace {

struct pump_fixture : mortal_node_fixture {
  keeper::spawn_order logged(std::vector<std::string> argv,
                             const std::string& name = "x.log") {
    auto result = order_of(std::move(argv));
    result.log_file = dir.file(name);
    return result;
  }

  std::string log(const std::string& name = "x.log") {
    return read_file(dir.file(name));
  }

  // Ends that the keeper has recorded, each of 48 bytes.
  size_t exits() { return read_file(dir.file("keeper.exits")).size() / 48; }
};

std::string numbers(int first, int last) {
  std::string result;
  for (int i = first; i <= last; ++i)
    result += std::to_string(i) + "\n";
  return result;
}

const std::vector<std::string> ticking{
  "/bin/sh", "-c", "while :; do echo tick; sleep 0.005; done"};

const keeper::run_report& row_of(const keeper_client& node, const run_id& run) {
  for (auto& row : node.held)
    if (row.run_id == run)
      return row;
  throw std::runtime_error("the run is not held");
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(keeper_pump, pump_fixture)

BOOST_AUTO_TEST_CASE(output_moves_to_the_log_while_no_node_lives) {
  auto order = logged({"/bin/sh", "-c", "seq 100000; echo bad >&2; exit 3"});
  node_that_dies([&](auto& node) { node.spawn(order); });
  auto text = numbers(1, 100000);
  auto whole = text.size() + 4;
  BOOST_CHECK(eventually([&] { return log().size() == whole; }));
  BOOST_CHECK(eventually([&] { return exits() == 1; }));
  auto next = connect();
  auto& row = row_of(next, order.run_id);
  BOOST_CHECK(row.exit->code == 3);
  BOOST_CHECK_EQUAL(row.moved_bytes, whole);
  BOOST_CHECK_EQUAL(row.dropped_bytes, 0u);
  // The two pipes have no order between them; each has its own.
  auto found = log();
  auto bad = found.find("bad\n");
  BOOST_REQUIRE_NE(bad, std::string::npos);
  BOOST_CHECK(found.erase(bad, 4) == text);
  BOOST_CHECK_EQUAL(read_to_end(next.pipes[order.run_id].stdout_r.get()), "");
}

BOOST_AUTO_TEST_CASE(the_index_names_run_stream_and_place) {
  auto order = logged({"/bin/sh", "-c", "echo one; exec sleep 1000"});
  std::ofstream{dir.file("x.log")} << "before\n";
  node_that_dies([&](auto& node) { node.spawn(order); });
  BOOST_CHECK(eventually([&] { return log() == "before\none\n"; }));
  std::string index;
  BOOST_REQUIRE(eventually([&] {
    index = read_file(dir.file("x.log.idx"));
    return index.size() == sizeof(log_index_record);
  }));
  log_index_record record;
  std::memcpy(&record, index.data(), sizeof(record));
  BOOST_CHECK_EQUAL(record.offset, 7u);
  BOOST_CHECK(record.run_id == order.run_id.bytes());
  BOOST_CHECK_EQUAL(int{record.which}, 0);
  BOOST_CHECK_GT(record.time_us, 0);
}

BOOST_AUTO_TEST_CASE(nothing_moves_while_the_node_lives_or_the_next_is_here) {
  auto order = logged(ticking);
  node_that_dies([&](auto& node) {
    node.spawn(order);
    node.drop(); // the end of a socket is no death
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    struct stat status {};
    if (::stat(order.log_file.c_str(), &status) == 0)
      throw std::runtime_error("the keeper has moved output too early");
  });
  BOOST_CHECK(eventually([&] { return !log().empty(); }));
  auto next = connect();
  auto size = log().size();
  BOOST_CHECK_EQUAL(row_of(next, order.run_id).moved_bytes, size);
  auto rest = read_line(next.pipes[order.run_id].stdout_r.get());
  BOOST_CHECK(!rest.empty());
  BOOST_CHECK_EQUAL(log().size(), size);
}

BOOST_AUTO_TEST_CASE(a_wanted_end_leaves_the_output_to_the_keeper_too) {
  auto order = logged({"/bin/sh", "-c", "sleep 0.2; echo later; exec sleep 9"});
  node_that_dies([&](auto& node) {
    node.spawn(order);
    node.wait_for(order.run_id, frame_type::spawned);
    node.goodbye();
  });
  BOOST_CHECK(eventually([&] { return log() == "later\n"; }));
}

BOOST_AUTO_TEST_CASE(who_only_knocks_does_not_end_the_pump) {
  auto order = logged(ticking);
  node_that_dies([&](auto& node) { node.spawn(order); });
  BOOST_CHECK(eventually([&] { return !log().empty(); }));
  auto knock = keeper::connect_keeper(dir.path());
  BOOST_REQUIRE(knock);
  knock->reset();
  auto size = log().size();
  BOOST_CHECK(eventually([&] { return log().size() > size; }));
}

BOOST_AUTO_TEST_CASE(runs_of_one_path_share_a_file_and_many_paths_take_turns) {
  std::vector<keeper::spawn_order> orders;
  for (int i = 0; i < 60; ++i)
    orders.push_back(logged({"/bin/sh", "-c", "seq 2000"},
                            "sub/dir/" + std::to_string(i / 2) + ".log"));
  node_that_dies([&](auto& node) {
    for (auto& order : orders)
      node.spawn(order);
  });
  auto each = 2 * numbers(1, 2000).size();
  BOOST_CHECK(eventually([&] {
    for (int i = 0; i < 30; ++i)
      if (log("sub/dir/" + std::to_string(i) + ".log").size() != each)
        return false;
    return true;
  }));
  auto next = connect();
  for (auto& row : next.held)
    BOOST_CHECK_EQUAL(row.moved_bytes, each / 2);
  BOOST_CHECK_LT(descriptor_count(pid), 60 * 2 + 30u);
}

BOOST_AUTO_TEST_CASE(what_a_log_cannot_take_is_dropped_and_counted) {
  std::filesystem::create_symlink("/etc/nowhere", dir.file("link.log"));
  auto refused = logged({"/bin/sh", "-c", "seq 100000"}, "link.log");
  auto silent = order_of({"/bin/sh", "-c", "echo waits; exec sleep 1000"});
  node_that_dies([&](auto& node) {
    node.spawn(refused);
    node.spawn(silent);
    node.wait_for(silent.run_id, frame_type::spawned);
  });
  BOOST_CHECK(eventually([&] { return exits() == 1; }));
  auto next = connect();
  auto& row = row_of(next, refused.run_id);
  // The rest of it waits: a node that lives moves it.
  auto rest = read_to_end(next.pipes[refused.run_id].stdout_r.get());
  BOOST_CHECK_EQUAL(row.dropped_bytes + rest.size(), numbers(1, 100000).size());
  BOOST_CHECK_EQUAL(row.moved_bytes, 0u);
  BOOST_CHECK_EQUAL(read_line(next.pipes[silent.run_id].stdout_r.get()),
                    "waits\n");
}

BOOST_AUTO_TEST_CASE(set_log_gives_a_held_run_a_log) {
  auto order = order_of({"/bin/sh", "-c", "echo text; exec sleep 1000"});
  node_that_dies([&](auto& node) { node.spawn(order); });
  node_that_dies([&](auto& node) {
    node.send(keeper::encode_set_log(order.run_id, dir.file("new.log")));
  });
  BOOST_CHECK(eventually([&] { return log("new.log") == "text\n"; }));
}

BOOST_AUTO_TEST_SUITE_END()
