#include <boost/test/unit_test.hpp>

#include "apps/pmctl/terminal_keys.hpp"
#include "apps/pmctl/top_view.hpp"
#include "unit/pmctl/fake_node.hpp"

// What top shows, and what keys the bytes of a terminal are.

using namespace pm;
using namespace pm::ctl;
using namespace pm::test;

namespace {

top_process process(const std::string& name, double cpu, uint64_t memory) {
  top_process x;
  x.view = make_view(name, status::running);
  x.view.cpu_percent = cpu;
  x.view.rss_bytes = memory;
  x.view.processes = 2;
  x.tree = {{10, 1, "leader", "S", 1, memory, cpu},
            {12, 11, "below", "R", 1, 1, {}},
            {11, 10, "child", "S", 1, 1, 0.0}};
  return x;
}

struct view_fixture {
  top_view view;

  view_fixture() {
    view.take({process("alpha", 1, 300 << 10), process("beta", 3, 100 << 10),
               process("gamma", 2, 200 << 10)});
  }

  // The first words of the lines below the title.
  std::string names(size_t height = 0) {
    std::string result;
    auto lines = view.lines(height, {});
    for (size_t i = 1; i < lines.size(); ++i) {
      auto line = lines[i];
      auto mark = line.starts_with("\x1b[7m") ? ">" : "";
      if (*mark)
        line.erase(0, 4);
      auto begin = line.find_first_not_of(' ');
      result += mark + line.substr(begin, line.find(' ', begin) - begin) + " ";
    }
    return result;
  }
};

std::string typed(std::string_view bytes) {
  key_reader reader;
  std::string result;
  auto add = [&](const std::vector<key>& keys) {
    for (auto& x : keys)
      result += x.name == key_name::text
                  ? x.text
                  : fmt::format("<{}>", static_cast<int>(x.name));
  };
  for (auto byte : bytes)
    add(reader.feed({&byte, 1}));
  add(reader.settle());
  key_reader at_once;
  std::string same;
  std::swap(result, same);
  add(at_once.feed(bytes));
  add(at_once.settle());
  BOOST_TEST(result == same); // however it is cut
  return result;
}

std::string code(key_name x) {
  return fmt::format("<{}>", static_cast<int>(x));
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(top, view_fixture)

BOOST_AUTO_TEST_CASE(rows_are_sorted_and_turned_round) {
  BOOST_TEST(names() == "beta gamma alpha ");
  view.sort_by(top_order::memory);
  BOOST_TEST(names() == "alpha gamma beta ");
  view.sort_by(top_order::memory);
  BOOST_TEST(names() == "beta gamma alpha ");
  view.sort_by(top_order::name);
  BOOST_TEST(names() == "alpha beta gamma ");
}

BOOST_AUTO_TEST_CASE(the_filter_looks_at_names_states_and_commands) {
  view.set_filter("ALPH");
  BOOST_TEST(names() == "alpha ");
  view.set_filter("running");
  BOOST_TEST(names() == "beta gamma alpha ");
  view.set_filter("sleep");
  BOOST_TEST(names() == "beta gamma alpha ");
  view.set_filter("nothing");
  BOOST_TEST(names() == "");
  BOOST_TEST(view.selected() == "");
}

BOOST_AUTO_TEST_CASE(a_tree_unfolds_parents_before_children) {
  view.fold(false);
  BOOST_TEST(names() == "beta leader child below gamma alpha ");
  auto lines = view.lines(0, {});
  BOOST_TEST(lines[3].starts_with("    child"));
  BOOST_TEST(lines[4].starts_with("      below"));
  view.move(2);
  BOOST_TEST(view.selected() == "beta");
  view.fold(true);
  BOOST_TEST(names() == "beta gamma alpha ");
}

BOOST_AUTO_TEST_CASE(pids_that_lead_in_a_circle_end) {
  auto x = process("odd", 9, 1);
  x.tree = {{1, 2, "a", "S", 1, 1, {}},
            {2, 1, "b", "S", 1, 1, {}},
            {3, 3, "c", "S", 1, 1, {}},
            {0, 0, "d", "S", 1, 1, {}}};
  view.take({x});
  view.fold(false);
  BOOST_TEST(names().starts_with("odd "));
}

BOOST_AUTO_TEST_CASE(the_selection_stays_with_its_process_and_in_sight) {
  view.move(1);
  BOOST_TEST(names(3) == "beta >gamma ");
  view.sort_by(top_order::name);
  BOOST_TEST(view.selected() == "gamma");
  BOOST_TEST(names(3) == "beta >gamma ");
  view.take({process("gamma", 1, 1)});
  BOOST_TEST(view.selected() == "gamma");
  view.take({process("delta", 1, 1)});
  BOOST_TEST(view.selected() == "delta");
  view.take({});
  BOOST_TEST(view.selected() == "");
  view.move(5);
  BOOST_TEST(names(5) == "");
}

BOOST_AUTO_TEST_CASE(no_byte_of_a_child_reaches_the_terminal) {
  auto x = process("web", 1, 1);
  x.view.status_text = "\x1b[2J\r\nbye\x07";
  x.view.command = {"/bin/\x1b]0;x\x07", "\xff"};
  x.tree[0].name = "\x1b[31m\n";
  view.take({x});
  view.fold(false);
  view.set_filter("e");
  std::string all = view.summary();
  for (auto& line : view.lines(0, {}))
    all += line;
  for (auto byte : all)
    BOOST_TEST((static_cast<unsigned char>(byte) >= 32 && byte != 127));
}

BOOST_AUTO_TEST_CASE(bytes_become_keys) {
  BOOST_TEST(typed("aé/") == "aé/");
  BOOST_TEST(typed("\x1b[A\x1bOB\x1b[5~")
             == code(key_name::up) + code(key_name::down)
                  + code(key_name::page_up));
  BOOST_TEST(typed("\r\x7f\x03")
             == code(key_name::enter) + code(key_name::backspace)
                  + code(key_name::interrupt));
  BOOST_TEST(typed("x\x1b") == "x" + code(key_name::escape));
  BOOST_TEST(typed("\x1b[99;99zq") == "q"); // unknown, whole
  BOOST_TEST(typed("\x01\x1f") == "");
}

BOOST_AUTO_TEST_SUITE_END()
