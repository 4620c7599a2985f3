#define BOOST_TEST_MODULE keeper
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <random>
#include <sys/mman.h>

#include "test/fuzz/fuzz_keeper_entry.hpp"

// The codecs alone: what is written is read again, and nothing else is.

using namespace pm;
using namespace pm::keeper;

namespace {

spawn_order full_order() {
  spawn_order result;
  result.run_id = run_id::make(timestamp{milliseconds{1234567}});
  result.argv = {"/bin/echo", "", "two words"};
  result.environment = {"A=1", "B="};
  result.working_dir = "/tmp";
  result.become = {11, 22, std::vector<uint32_t>{33, 44, 55}};
  result.umask = 027;
  result.nice = -3;
  result.limits = {{7, 100, 200}, {4, 0, UINT64_MAX}};
  result.protect = false;
  result.stdin_pipe = true;
  result.no_new_privs = true;
  return result;
}

std::vector<std::string> strings_of(const spawn_view& view) {
  std::vector<std::string> result;
  auto at = view.strings;
  while (at != view.strings + view.body.strings_size) {
    result.emplace_back(at);
    at += result.back().size() + 1;
  }
  return result;
}

std::span<const std::byte> body_of(const std::vector<std::byte>& frame) {
  return std::span{frame}.subspan(sizeof(frame_header));
}

template <class T>
T decoded(std::span<const std::byte> frame) {
  auto message = decode_message(frame);
  BOOST_REQUIRE(message);
  return std::get<T>(*message);
}

} // namespace

BOOST_AUTO_TEST_SUITE(keeper_protocol)

BOOST_AUTO_TEST_CASE(a_spawn_is_read_as_it_was_written) {
  auto order = full_order();
  auto frame = encode_spawn(order);
  BOOST_REQUIRE(frame);
  BOOST_CHECK(!frame->body);
  auto view = decode_spawn_body(body_of(frame->bytes));
  BOOST_REQUIRE(view);
  BOOST_CHECK(view->body.run_id == order.run_id.bytes());
  BOOST_CHECK_EQUAL(view->body.flags, spawn_stdin_pipe | spawn_uid | spawn_gid
                                        | spawn_groups | spawn_nice
                                        | spawn_umask | spawn_no_new_privs);
  BOOST_CHECK_EQUAL(view->body.uid, 11u);
  BOOST_CHECK_EQUAL(view->body.gid, 22u);
  BOOST_CHECK_EQUAL(group_at(*view, 2), 55u);
  BOOST_CHECK_EQUAL(view->body.umask, 027u);
  BOOST_CHECK_EQUAL(view->body.nice, -3);
  BOOST_CHECK_EQUAL(limit_at(*view, 1).resource, 4u);
  BOOST_CHECK_EQUAL(limit_at(*view, 1).hard, UINT64_MAX);
  std::vector<std::string> expected_strings{"/tmp",      "/bin/echo", "",
                                            "two words", "A=1",       "B="};
  BOOST_TEST(strings_of(*view) == expected_strings,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_log_of_a_spawn_stands_behind_its_environment) {
  auto order = full_order();
  order.log_file = "/var/log/x.log";
  auto frame = encode_spawn(order);
  BOOST_REQUIRE(frame);
  auto view = decode_spawn_body(body_of(frame->bytes));
  BOOST_REQUIRE(view);
  BOOST_CHECK_EQUAL(log_path_of(*view), order.log_file);
  BOOST_CHECK_EQUAL(strings_of(*view)[5], "B=");
  order.cgroup_file = "/cg/cgroup.procs";
  auto grouped = encode_spawn(order);
  view = decode_spawn_body(body_of(grouped->bytes));
  BOOST_REQUIRE(view);
  BOOST_CHECK((view->body.flags & spawn_cgroup) != 0);
  BOOST_CHECK_EQUAL(strings_of(*view)[6], order.cgroup_file);
  BOOST_CHECK_EQUAL(log_path_of(*view), order.log_file);
  order.cgroup_file.clear();
  order.log_file.clear();
  auto without = encode_spawn(order);
  BOOST_CHECK_EQUAL(log_path_of(*decode_spawn_body(body_of(without->bytes))),
                    "");
  auto later = encode_set_log(order.run_id, "/x");
  BOOST_CHECK_EQUAL(decode_set_log(later).value().path, "/x");
  BOOST_CHECK(decode_set_log(later)->run_id == order.run_id.bytes());
  later.back() = std::byte{'y'};
  BOOST_CHECK(!decode_set_log(later));
}

BOOST_AUTO_TEST_CASE(a_large_spawn_goes_into_a_sealed_memfd) {
  auto order = full_order();
  order.argv.emplace_back(200'000, 'x');
  auto frame = encode_spawn(order);
  BOOST_REQUIRE(frame);
  BOOST_REQUIRE(frame->body);
  BOOST_CHECK_EQUAL(frame->bytes.size(), sizeof(frame_header));
  BOOST_CHECK_EQUAL(decode_header(frame->bytes)->flags, body_in_memfd);
  char byte = 0;
  BOOST_CHECK_EQUAL(::pwrite(frame->body.get(), &byte, 1, 0), -1);
  std::vector<std::byte> body(300'000);
  auto size = ::pread(frame->body.get(), body.data(), body.size(), 0);
  auto view =
    decode_spawn_body(std::span{body}.first(static_cast<size_t>(size)));
  BOOST_REQUIRE(view);
  BOOST_CHECK_EQUAL(strings_of(*view)[4].size(), 200'000u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_sent_is_refused_by_name) {
  auto refused = [](auto change, const char* word) {
    auto order = full_order();
    change(order);
    auto frame = encode_spawn(order);
    BOOST_REQUIRE(!frame);
    BOOST_CHECK(frame.error().code == ec::invalid_argument);
    BOOST_CHECK_MESSAGE(frame.error().text.find(word) != std::string::npos,
                        frame.error().text);
  };
  refused([](auto& x) { x.argv.clear(); }, "argv");
  refused([](auto& x) { x.argv[1] = std::string{"a\0b", 3}; }, "argument 1");
  refused([](auto& x) { x.environment[1] = std::string{"B=\0", 3}; }, "'B'");
  refused(
    [](auto& x) {
      x.working_dir = std::string{"/\0", 2};
    },
    "working_dir");
  refused([](auto& x) { x.argv.emplace_back(9u << 20, 'x'); }, "limit");
}

BOOST_AUTO_TEST_CASE(a_report_is_read_as_it_was_written) {
  report_body body;
  body.run_id = full_order().run_id.bytes();
  body.pid = 77;
  body.outcome = outcome::signaled;
  body.start_ticks = 1234;
  body.spawned_us = 5'000'000;
  body.ended_us = 5'123'456;
  body.value = 9;
  body.flags = report_stdin_pipe | report_protected;
  body.moved_bytes = 1u << 20;
  body.dropped_bytes = 17;
  std::vector<std::byte> frame(frame_max);
  frame.resize(encode_report(frame, frame_type::exited, body));
  auto x = decoded<run_report>(frame);
  BOOST_CHECK(x.occasion == frame_type::exited);
  BOOST_CHECK(x.run_id == full_order().run_id
              || x.run_id.bytes() == body.run_id);
  BOOST_CHECK_EQUAL(x.pid, 77);
  BOOST_CHECK_EQUAL(x.start_ticks, 1234u);
  BOOST_CHECK(x.spawned_at == timestamp{milliseconds{5000}});
  BOOST_CHECK(x.ended_at == timestamp{milliseconds{5123}});
  BOOST_CHECK_EQUAL(x.duration.count(), 123'456);
  BOOST_CHECK(x.exit == (exit_status{exit_reason::signaled, std::nullopt, 9}));
  BOOST_CHECK(x.stdin_pipe && x.is_protected);
  BOOST_CHECK_EQUAL(x.moved_bytes, 1u << 20);
  BOOST_CHECK_EQUAL(x.dropped_bytes, 17u);
  body.outcome = outcome::failed;
  body.stage = spawn_stage::limit;
  body.detail = 4;
  frame.resize(frame_max);
  frame.resize(encode_report(frame, frame_type::spawn_failed, body));
  x = decoded<run_report>(frame);
  BOOST_CHECK(!x.exit);
  BOOST_CHECK_EQUAL(x.error_number, 9);
  BOOST_CHECK_EQUAL(to_string(x.stage), "limit");
  BOOST_CHECK_EQUAL(x.detail, 4u);
}

BOOST_AUTO_TEST_CASE(the_small_frames_are_read_as_they_were_written) {
  std::vector<std::byte> frame(frame_max);
  auto hello = decode_hello(encode_hello());
  BOOST_REQUIRE(hello);
  BOOST_CHECK_EQUAL(hello->version_max, version_max);
  auto size = encode_welcome(frame, {1, 0, 55, 6, 7});
  auto greeting = decoded<welcome>(std::span{frame}.first(size));
  BOOST_CHECK_EQUAL(greeting.keeper_pid, 55);
  BOOST_CHECK_EQUAL(greeting.live_count, 6u);
  BOOST_CHECK_EQUAL(greeting.ended_count, 7u);
  size = encode_refused(frame, refusal::not_supported, "no version");
  auto why = decoded<error>(std::span{frame}.first(size));
  BOOST_CHECK(why.code == ec::not_supported);
  BOOST_CHECK_EQUAL(why.text, "no version");
  size = encode_bare(frame, frame_type::table_end);
  decoded<table_end>(std::span{frame}.first(size));
  std::vector runs{full_order().run_id, full_order().run_id};
  auto list = encode_acknowledge(runs);
  BOOST_REQUIRE_EQUAL(decode_run_list(list).value(), 2u);
  BOOST_CHECK(listed_run(list, 1) == runs[1].bytes());
  BOOST_CHECK_EQUAL(encode_bare(std::span{frame}.first(7), frame_type::goodbye),
                    0u);
}

BOOST_AUTO_TEST_CASE(every_shortened_or_lengthened_frame_is_refused) {
  auto frame = encode_spawn(full_order())->bytes;
  for (size_t i = 0; i < frame.size(); ++i) {
    auto part = std::span{frame}.first(i);
    BOOST_CHECK(!decode_header(part));
    if (i >= sizeof(frame_header))
      BOOST_CHECK(!decode_spawn_body(part.subspan(sizeof(frame_header))));
  }
  frame.push_back(std::byte{0});
  BOOST_CHECK(!decode_spawn_body(body_of(frame)));
}

BOOST_AUTO_TEST_CASE(random_and_damaged_bytes_never_harm_a_decoder) {
  auto given = std::getenv("PM_SEED");
  auto seed =
    given ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  BOOST_TEST_MESSAGE("PM_SEED=" << seed);
  std::mt19937 random{seed};
  auto spawn = encode_spawn(full_order())->bytes;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bytes;
    if (i % 2 == 0) {
      bytes.resize(random() % 200);
      for (auto& byte : bytes)
        byte = static_cast<std::byte>(random());
      frame_header head{static_cast<uint16_t>(random() % 40), 0,
                        static_cast<uint32_t>(bytes.size())};
      if (bytes.size() >= sizeof(head))
        std::memcpy(bytes.data(), &head, sizeof(head));
    } else {
      // A spawn body with some bytes changed.
      bytes.assign(spawn.begin() + sizeof(frame_header), spawn.end());
      for (auto n = random() % 4; n > 0; --n)
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    decode_anything(bytes);
  }
}

BOOST_AUTO_TEST_SUITE_END()
